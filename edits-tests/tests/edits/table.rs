//! Rows of the table of edits: each is a test.

use std::cell::Cell;

use bytewax::__private::Origin;
use bytewax::flow::Flow;

use super::*;

/// Edits of one thing.
pub(super) struct Section {
    pub(super) title: &'static str,
    /// What stands before the rows, in the documentation.
    pub(super) about: &'static str,
    /// The module and, of each row, the name of the test and the edit in words.
    pub(super) module: &'static str,
    pub(super) rows: Vec<(&'static str, &'static str, Row)>,
}

impl Section {
    /// The test of a row.
    #[track_caller]
    pub(super) fn check(&self, test: &str) {
        let mut rows = self.rows.iter();
        let (_, _, row) = rows.find(|(name, ..)| *name == test).unwrap();
        row.check();
    }
}

/// Declares a section: each row becomes a test of its name.
macro_rules! rows {
    ($title:literal $about:literal $($test:ident $edit:literal: $row:expr;)+) => {
        $(
            #[test]
            fn $test() {
                section().check(stringify!($test));
            }
        )+

        pub(super) fn section() -> Section {
            Section {
                title: $title,
                about: $about,
                module: module_path!(),
                rows: vec![$((stringify!($test), $edit, $row)),+],
            }
        }
    };
}

/// Describes a flow, and notes the text of it for the compiler.
macro_rules! flow {
    ($name:literal, |$flow:ident| $body:block) => {{
        $crate::table::note(stringify!(|$flow| $body));
        Dataflow::build($name, |$flow| $body)
    }};
}

thread_local! {
    /// The text of the flow that was described last.
    static TEXT: Cell<&'static str> = const { Cell::new("") };
}

pub(super) fn note(text: &'static str) {
    TEXT.set(text);
}

/// What the compiler says of a flow whose package has the lock file of the flow before.
#[derive(Clone, Copy, Debug)]
pub(super) enum Compiler {
    /// Nothing.
    Fine,
    /// It refuses it with these words.
    Refused(&'static str),
    /// It is not asked here, for this reason.
    Unasked(&'static str),
}

/// What a message offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mend {
    /// To take the edit back.
    Back,
    /// To keep the old type and migrate from it.
    Version,
    /// To say which version a type is.
    Number,
    /// To keep the saved name of a field.
    SerdeName,
    /// To give a step its old name.
    OldName,
    /// To say which step has what another one has saved.
    Moved,
    /// To say that steps keep what was saved under their names.
    Confirmed,
    /// To say that a step is off for now.
    Kept,
    /// To give the step another name and to drop what was saved.
    Anew,
    /// To drop what was saved.
    Dropped,
    /// To remove it by a command.
    Command,
}

impl Mend {
    /// How the documentation says it.
    pub(super) fn words(self) -> &'static str {
        match self {
            Mend::Back => "undo the edit",
            Mend::Version => "`#[stateful(version = 2, from(..))]`",
            Mend::Number => "`#[stateful(version = 1)]`",
            Mend::SerdeName => "`#[serde(rename = \"..\")]`",
            Mend::OldName => "`.named(\"old\")`",
            Mend::Moved => "`flow.moved(..)`",
            Mend::Confirmed => "`flow.moved(..)` with the same name twice: confirms the names",
            Mend::Kept => "`flow.kept(..)`",
            Mend::Anew => "another name and `flow.dropped(..)`: starts empty",
            Mend::Dropped => "`flow.dropped(..)`",
            Mend::Command => "`recovery drop-step`",
        }
    }
}

/// What becomes of the state that a program has saved.
#[derive(Clone, Debug)]
pub(super) enum Resume {
    /// It goes on.
    GoesOn,
    /// It goes on and emits these lines; what they mean only people know, as the note says.
    Asks {
        lines: &'static [&'static str],
        note: &'static str,
    },
    /// The program is refused with these words, and these mends are offered.
    Refused {
        words: &'static [&'static str],
        mends: &'static [Mend],
    },
    /// What a test of its own shows.
    Shown {
        verdict: &'static str,
        mend: &'static str,
        test: fn(),
    },
}

/// An edit.
#[derive(Clone)]
pub(super) struct Row {
    programs: Option<[Program; 2]>,
    pub(super) compiler: Compiler,
    /// The programs that the compiler is asked of.
    compiled: Option<[Program; 2]>,
    pub(super) resume: Resume,
    /// Programs that have a mend in their text, each with that text.
    written: Vec<(&'static str, Program)>,
    /// What is emitted when the state of one step is given up, and others go on.
    leaving: Option<&'static [&'static str]>,
}

/// One program that becomes another, and goes on with what it has saved.
pub(super) fn row(before: Program, after: Program) -> Row {
    Row {
        programs: Some([before, after]),
        compiler: Compiler::Fine,
        compiled: Some([before, after]),
        resume: Resume::GoesOn,
        written: Vec::new(),
        leaving: None,
    }
}

/// A row of which another function is the test.
pub(super) fn shown(verdict: &'static str, mend: &'static str, test: fn()) -> Row {
    Row {
        programs: None,
        compiler: Compiler::Unasked("nobody has said why"),
        compiled: None,
        resume: Resume::Shown {
            verdict,
            mend,
            test,
        },
        written: Vec::new(),
        leaving: None,
    }
}

impl Row {
    pub(super) fn refused(self, words: &'static [&'static str], mends: &'static [Mend]) -> Self {
        Self {
            resume: Resume::Refused { words, mends },
            ..self
        }
    }

    pub(super) fn asks(self, note: &'static str, lines: &'static [&'static str]) -> Self {
        Self {
            resume: Resume::Asks { lines, note },
            ..self
        }
    }

    pub(super) fn by_compiler(self, words: &'static str) -> Self {
        Self {
            compiler: Compiler::Refused(words),
            ..self
        }
    }

    /// With programs of which the compiler is asked, and says nothing.
    pub(super) fn compiled(self, before: Program, after: Program) -> Self {
        Self {
            compiler: Compiler::Fine,
            compiled: Some([before, after]),
            ..self
        }
    }

    /// The compiler is not asked, for this reason.
    pub(super) fn uncompiled(self, why: &'static str) -> Self {
        Self {
            compiler: Compiler::Unasked(why),
            compiled: None,
            ..self
        }
    }

    pub(super) fn leaving(self, lines: &'static [&'static str]) -> Self {
        Self {
            leaving: Some(lines),
            ..self
        }
    }

    /// With the program that a message asks for by this text.
    pub(super) fn written(mut self, text: &'static str, program: Program) -> Self {
        self.written.push((text, program));
        self
    }

    /// Asks the compiler; then runs the one program and then the other on its store, and does what the message says.
    #[track_caller]
    fn check(&self) {
        self.compile();
        let Some([before, after]) = self.programs else {
            if let Resume::Shown { test, .. } = &self.resume {
                test();
            }
            return;
        };
        let [store, unbroken] = [new_store(), new_store()];
        let first = Patch::of(Part::First);
        for store in [&store, &unbroken] {
            // It may have been cut off.
            let _ = run_patched(before, &first, store);
        }
        let kept = run(before, &unbroken).unwrap();
        let found = run(after, &store);
        let (words, mends) = match &self.resume {
            Resume::GoesOn => return assert_eq!(found, Ok(kept)),
            Resume::Asks { lines, .. } => return assert_eq!(found, Ok(owned(lines))),
            Resume::Refused { words, mends } => (*words, *mends),
            Resume::Shown { .. } => unreachable!("it has no programs"),
        };
        let text = found.expect_err("it is not refused");
        for word in words {
            assert!(text.contains(word), "no {word:?} in\n{text}");
        }
        let offers = Offer::all(&text);
        let can_be_followed =
            |mend: Mend| mend != Mend::SerdeName || mends.contains(&Mend::SerdeName);
        let offered: Vec<Mend> = offers.iter().map(|offer| offer.mend).collect();
        let offered: Vec<Mend> = offered
            .into_iter()
            .filter(|it| can_be_followed(*it))
            .collect();
        assert_eq!(offered, mends, "{text}");
        // What is refused leaves the store as it was.
        assert_eq!(
            run(before, &copy(store.path())).as_ref(),
            Ok(&kept),
            "taken back"
        );
        for offer in offers.iter().filter(|offer| can_be_followed(offer.mend)) {
            self.follow(offer, &store, &kept);
        }
        let commands = offers.iter().filter(|offer| offer.mend == Mend::Command);
        let commands: Vec<&str> = commands.map(|offer| offer.text.as_str()).collect();
        if !commands.is_empty() {
            for text in &commands {
                let words: Vec<&str> = text.split(' ').collect();
                // It names the store itself.
                assert!(words.contains(&store.path().to_str().unwrap()), "{text}");
                command(&words);
            }
            let found = run(after, &store);
            assert_eq!(found, self.anew(&Patch::default()), "{commands:?}");
        }
    }

    /// Has the macro judge the text of the one program by the lock file of the other.
    #[track_caller]
    fn compile(&self) {
        let Some([before, after]) = self.compiled else {
            return;
        };
        let [(old, old_text), (new, new_text)] = [before, after].map(described);
        let origin = Origin {
            package: "",
            program: "",
            was: None,
            lock: None,
            arguments: leaked(edits_tests::judge("f", old_text, None).arguments),
        };
        let lock = locked(old.with_origin(origin)).unwrap();
        let judged = edits_tests::judge("f", new_text, Some(&lock));
        // A flow that cannot be locked has no type of the file.
        let new_lock = locked(new.clone()).unwrap_or_default();
        let broken = judged.checks.into_iter();
        let broken = broken.filter(|text| !holds(text, &lock, &new, &new_lock));
        let said: Vec<String> = judged.errors.into_iter().chain(broken).collect();
        match self.compiler {
            Compiler::Refused(words) => assert!(
                said.iter().any(|text| text.contains(words)),
                "the compiler says {said:#?} with the lock file\n{lock}"
            ),
            _ => assert!(
                said.is_empty(),
                "the compiler says {said:#?} with the lock file\n{lock}"
            ),
        }
    }

    /// What comes when what was saved is given up.
    fn anew(&self, patch: &Patch) -> Result<Vec<String>, String> {
        if let Some(lines) = self.leaving {
            return Ok(owned(lines));
        }
        let [_, after] = self.programs.unwrap();
        let fresh = Patch {
            part: Part::Fresh,
            ..patch.clone()
        };
        run_patched(after, &fresh, &new_store())
    }

    /// Does what a message says, and goes on.
    #[track_caller]
    fn follow(&self, offer: &Offer, store: &TempDir, kept: &Vec<String>) {
        let Some([_, after]) = self.programs else {
            return;
        };
        let mended = copy(store.path());
        match offer.mend {
            Mend::Back | Mend::Command => {}
            Mend::Version | Mend::Number | Mend::SerdeName => {
                let mut written = self.written.iter();
                let found = written.find(|(text, _)| is_same(text, &offer.text));
                let (_, program) =
                    found.unwrap_or_else(|| panic!("no program has `{}`", offer.text));
                assert_eq!(run(*program, &mended).as_ref(), Ok(kept), "{offer:?}");
            }
            Mend::OldName | Mend::Moved => {
                let found = run_patched(after, &offer.patch, &mended);
                assert_eq!(found.as_ref(), Ok(kept), "{offer:?}");
                // And once more, without items.
                run_patched(after, &offer.patch, &mended).unwrap();
            }
            // Whether that is right only people know.
            Mend::Confirmed => {
                run_patched(after, &offer.patch, &mended).unwrap();
                run(after, &mended).unwrap();
            }
            Mend::Kept | Mend::Anew | Mend::Dropped => {
                let mut patch = offer.patch.clone();
                let mut found = run_patched(after, &patch, &mended);
                // Another worker, or another partition, may have something to say then.
                if let Err(text) = &found {
                    let next = Offer::all(text);
                    let next = next.into_iter().find(|next| next.mend == offer.mend);
                    patch = patch.and(next.unwrap_or_else(|| panic!("{text}")).patch);
                    found = run_patched(after, &patch, &mended);
                }
                assert_eq!(found, self.anew(&patch), "{offer:?}");
                run_patched(after, &patch, &mended).unwrap();
            }
        }
    }
}

/// A program as it is described, with its text.
fn described(program: Program) -> (Dataflow, &'static str) {
    let flow = program(&TestingSink::new(), &Patch::default());
    (flow, TEXT.take())
}

fn leaked(arguments: Vec<(String, u32)>) -> &'static [(&'static str, u32)] {
    let arguments = arguments.into_iter();
    let arguments: Vec<(&'static str, u32)> = arguments
        .map(|(name, hash)| (&*name.leak(), hash))
        .collect();
    arguments.leak()
}

/// The lock file of a flow.
fn locked(flow: Dataflow) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("dataflow.lock");
    let words = ["lock", "--file", file.to_str().unwrap()];
    let _ = bytewax::run_from(flow, words);
    std::fs::read_to_string(file).ok()
}

/// Whether what the compiler finds out is as it should be. What is said if not begins with what is looked at: a word of the lock
/// file, and the name of the step.
fn holds(text: &str, lock: &str, flow: &Dataflow, new_lock: &str) -> bool {
    let (what, rest) = text.split_once(" of `").unwrap();
    let (step, _) = rest.split_once('`').unwrap();
    let what = what.strip_prefix("the ").unwrap();
    let value = |word: &str| value_of(lock, step, word).unwrap();
    let id = format!("f.{step}");
    if !flow.step_ids().iter().any(|other| other.to_string() == id) {
        // It is in the text, and is not built: its types are what they were.
        return true;
    }
    match what {
        "state" => {
            let fingerprint = u64::from_str_radix(&value("fingerprint"), 16).unwrap();
            flow.reads_state(step, value("version").parse().unwrap(), fingerprint)
        }
        "type of the keys" => flow.reads_keys(step, &value("key")),
        word => value_of(new_lock, step, word) == Some(value(word)),
    }
}

/// What a lock file says of a step by a word.
fn value_of(lock: &str, step: &str, word: &str) -> Option<String> {
    let line = lock
        .lines()
        .find_map(|line| line.strip_prefix(&format!("\"{step}\" = ")))?;
    let (_, value) = line.split_once(&format!(" {word} = "))?;
    match value.strip_prefix('"') {
        Some(text) => Some(text.split('"').next()?.to_owned()),
        None => Some(value.split([',', ' ']).next()?.to_owned()),
    }
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

/// Whether texts of code are the same, however they are spaced.
fn is_same(one: &str, other: &str) -> bool {
    let dense = |text: &str| text.split_whitespace().collect::<String>();
    dense(one) == dense(other)
}

/// A mend that a message has in its text.
#[derive(Clone, Debug)]
struct Offer {
    mend: Mend,
    /// What stands between the backticks.
    text: String,
    patch: Patch,
}

impl Offer {
    /// All mends of a message, in the order of [`Mend`].
    fn all(message: &str) -> Vec<Self> {
        let (_, help) = message.split_once("help: ").unwrap_or_default();
        let code: Vec<&str> = message_code(help).collect();
        let dropped: Vec<&str> = code
            .iter()
            .filter_map(|it| first_text(it, "flow.dropped("))
            .collect();
        let kept: Vec<&str> = code
            .iter()
            .filter_map(|it| first_text(it, "flow.kept("))
            .collect();
        let named: Vec<&str> = code
            .iter()
            .filter_map(|it| first_text(it, ".named("))
            .collect();
        let old_names: Vec<&str> = named.iter().copied().filter(|name| *name != "..").collect();
        let mut offers = Vec::new();
        let mut offer = |mend, text: &str, patch| {
            let text = text.to_owned();
            offers.push(Self { mend, text, patch });
        };
        let back = [
            "write it as it was",
            "write its type as it was",
            "bring the step back",
            "put it where it was",
            "bring them back",
        ];
        if back.iter().any(|back| help.contains(back)) {
            offer(Mend::Back, "", Patch::default());
        }
        for code in &code {
            match code {
                code if code.starts_with("#[stateful(") => {
                    let mend = match code.contains("from(") {
                        true => Mend::Version,
                        false => Mend::Number,
                    };
                    offer(mend, code, Patch::default());
                }
                code if code.starts_with("recovery drop-step") => {
                    offer(Mend::Command, code, Patch::default());
                }
                _ => {}
            }
        }
        if message.contains("`#[serde(rename = \"..\")]`") {
            offer(
                Mend::SerdeName,
                "#[serde(rename = \"..\")]",
                Patch::default(),
            );
        }
        if !old_names.is_empty() {
            // Each stands behind the step that is to have it.
            let new = message.split(" and the step `f.").skip(1);
            // A name is given within the scopes of a step, as programs do.
            let new = new.filter_map(|rest| rest.split('`').next()?.rsplit('.').next());
            let named = new.zip(&old_names);
            let patch = named.fold(Patch::new(), |patch, (new, old)| patch.rename(new, old));
            offer(Mend::OldName, &old_names.join(", "), patch);
        }
        for way in help.split("; if ") {
            let moved = message_code(way).filter_map(|it| two_texts(it, "flow.moved("));
            let patch = moved.fold(Patch::new(), |patch, (old, new)| patch.moved(old, new));
            let mend = match way.contains("for the next run") {
                true => Mend::Confirmed,
                false => Mend::Moved,
            };
            if !patch.moved.is_empty() {
                offer(mend, way, patch);
            }
        }
        let is_anew = named.contains(&"..") || help.contains("give all of them other names");
        let patch = dropped.iter().fold(Patch::new(), |patch, name| {
            let patch = patch.drop(name);
            match is_anew {
                true => patch.rename(name, &format!("{name}_anew")),
                false => patch,
            }
        });
        if !dropped.is_empty() {
            let mend = if is_anew { Mend::Anew } else { Mend::Dropped };
            offer(mend, &dropped.join(", "), patch);
        }
        if !kept.is_empty() {
            let patch = kept
                .iter()
                .fold(Patch::new(), |patch, name| patch.keep(name));
            offer(Mend::Kept, &kept.join(", "), patch);
        }
        offers.sort_by_key(|offer| offer.mend);
        offers
    }
}

/// What a message offers in case of something.
pub(super) struct Offered;

impl Offered {
    /// What it says to do if scopes are these.
    pub(super) fn when(message: &str, place: &str) -> Patch {
        let (_, help) = message.split_once("help: ").unwrap();
        let mut ways = help.split("; if ").map(|way| way.trim_start_matches("if "));
        let way = ways.find(|way| way.split(", add ").next().unwrap().ends_with(place));
        let way = way.unwrap_or_else(|| panic!("nothing is said of {place} in\n{message}"));
        let way = way.split("; ").next().unwrap();
        let patch = message_code(way).filter_map(|it| two_texts(it, "flow.moved("));
        let patch = patch.fold(Patch::new(), |patch, (old, new)| patch.moved(old, new));
        let dropped = message_code(way).filter_map(|it| first_text(it, "flow.dropped("));
        dropped.fold(patch, |patch, name| patch.drop(name))
    }
}

/// What begins anew by what a message says.
pub(super) fn anew_patch(message: &str) -> Patch {
    let offers = Offer::all(message).into_iter();
    let mut offers = offers.filter(|offer| offer.mend == Mend::Anew);
    offers.next().unwrap().patch
}

/// Steps that have moved.
pub(super) fn moved_patch<const N: usize>(moved: [(&str, &str); N]) -> Patch {
    let moved = moved.into_iter();
    moved.fold(Patch::new(), |patch, (old, new)| patch.moved(old, new))
}

/// What stands between backticks.
fn message_code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The first text that a call has, such as `sums` of `.named("sums")`.
fn first_text<'a>(code: &'a str, call: &str) -> Option<&'a str> {
    code.strip_prefix(call)?.split('"').nth(1)
}

/// The two texts that a call has.
fn two_texts<'a>(code: &'a str, call: &str) -> Option<(&'a str, &'a str)> {
    let mut texts = code.strip_prefix(call)?.split('"').skip(1).step_by(2);
    Some((texts.next()?, texts.next()?))
}

/// What is read of an input that is cut off in its middle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Part {
    /// The first half, where the run is cut off.
    First,
    /// The rest, from where a run has come to.
    #[default]
    Rest,
    /// The first half, to its end.
    Fresh,
}

/// What is changed in a program, as a message says.
#[derive(Clone, Debug, Default)]
pub(super) struct Patch {
    pub(super) part: Part,
    names: Vec<(String, String)>,
    moved: Vec<(String, String)>,
    dropped: Vec<String>,
    kept: Vec<String>,
}

impl Patch {
    fn new() -> Self {
        Self::default()
    }

    pub(super) fn of(part: Part) -> Self {
        Self {
            part,
            ..Self::default()
        }
    }

    fn rename(mut self, name: &str, new: &str) -> Self {
        self.names.push((name.to_owned(), new.to_owned()));
        self
    }

    fn moved(mut self, old: &str, new: &str) -> Self {
        self.moved.push((old.to_owned(), new.to_owned()));
        self
    }

    fn drop(mut self, name: &str) -> Self {
        self.dropped.push(name.to_owned());
        self
    }

    fn keep(mut self, name: &str) -> Self {
        self.kept.push(name.to_owned());
        self
    }

    fn and(mut self, other: Self) -> Self {
        self.names.extend(other.names);
        self.moved.extend(other.moved);
        self.dropped.extend(other.dropped);
        self.kept.extend(other.kept);
        self
    }

    /// The name that a step has now.
    pub(super) fn name(&self, name: &str) -> String {
        let new = self.names.iter().find(|(old, _)| old == name);
        new.map_or(name, |(_, new)| new).to_owned()
    }

    /// Says in a flow what is dropped and kept.
    pub(super) fn say(&self, flow: &Flow) {
        for (old, new) in &self.moved {
            flow.moved(old, new);
        }
        for name in &self.dropped {
            flow.dropped(name, "why");
        }
        for name in &self.kept {
            flow.kept(name, "why");
        }
    }
}
