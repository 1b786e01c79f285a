//! The lines of the lock file.

use std::collections::HashMap;
use std::path::Path;

use syn::parse::{Parse, ParseStream};
use syn::{Ident, Lit, LitInt, LitStr, Token, braced};

use crate::registry::Kind;

const NAME: &str = "dataflow.lock";

/// The version that this release supports; files of version 1 do not contain it.
const VERSION: u32 = 2;

/// The program of a flow without one in the file: any that has no section of its own.
const ANY: &str = "*";

/// The package that is compiled.
#[derive(Debug, Default)]
pub(crate) struct Package {
    /// The directory of its manifest.
    pub(crate) dir: String,
    /// The program of the package, if its name differs from the package's.
    pub(crate) program: String,
    pub(crate) file: Option<File>,
}

/// A lock file, as far as it is readable.
#[derive(Debug, Default)]
pub(crate) struct File {
    /// Its path.
    pub(crate) path: String,
    /// By flow and program.
    flows: HashMap<(String, String), Vec<Entry>>,
    /// Why it is unreadable.
    pub(crate) fault: Option<Fault>,
}

/// Why a file is unreadable, and the fix.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) what: String,
    pub(crate) mend: &'static str,
}

/// A locked step.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// Its name within the flow.
    pub(crate) name: String,
    /// Its kind; `None` if it was dropped.
    pub(crate) kind: Option<Kind>,
    pub(crate) operator: String,
    pub(crate) state: Option<Locked>,
    /// Whether custom code of the program serializes its keys in a form that differs from the type.
    pub(crate) has_keys_by_hand: bool,
    /// The other facts about its state, by name.
    pub(crate) facts: HashMap<String, String>,
}

/// The type of a step's saved state.
#[derive(Debug, Default)]
pub(crate) struct Locked {
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) fingerprint: u64,
}

/// The package that is compiled, with its lock file, if any.
pub(crate) fn of_package() -> Option<Package> {
    let variable = |name: &str| std::env::var(name).ok();
    let dir = variable("CARGO_MANIFEST_DIR")?;
    let package = variable("CARGO_PKG_NAME").map(|name| name.replace('-', "_"));
    let program = variable("CARGO_CRATE_NAME").filter(|it| Some(it) != package.as_ref());
    let path = Path::new(&dir).join(NAME);
    let text = std::fs::read_to_string(&path).ok();
    Some(Package::new(
        dir,
        program.unwrap_or_default(),
        text.as_deref(),
    ))
}

impl Package {
    /// A package in a directory, with the text of its lock file.
    pub(crate) fn new(dir: String, program: String, lock: Option<&str>) -> Self {
        let path = Path::new(&dir).join(NAME).display().to_string();
        let file = lock.map(|text| File::read(&path, text));
        Self { dir, program, file }
    }

    /// The steps of a flow; `None` for a flow that is not locked.
    pub(crate) fn flow(&self, name: &str) -> Option<&[Entry]> {
        let steps = self.section(name, &self.program);
        let steps = steps.or_else(|| self.section(name, ANY));
        steps.or_else(|| self.section(name, self.was(name)?))
    }

    fn section(&self, flow: &str, program: &str) -> Option<&[Entry]> {
        let key = (flow.to_owned(), program.to_owned());
        self.file.as_ref()?.flows.get(&key).map(Vec::as_slice)
    }

    /// The former name of a flow's program, if the file contains the flow for exactly one program, which the
    /// package no longer has.
    pub(crate) fn was(&self, flow: &str) -> Option<&str> {
        let programs = self.file.as_ref()?.flows.keys();
        let programs = programs.filter(|(of, _)| of == flow);
        let programs: Vec<&str> = programs.map(|(_, program)| program.as_str()).collect();
        if programs.contains(&self.program.as_str()) || programs.contains(&ANY) {
            return None;
        }
        let manifest = std::fs::read_to_string(Path::new(&self.dir).join("Cargo.toml")).ok()?;
        let mut gone = programs.into_iter().filter(|it| !self.has(it, &manifest));
        match (gone.next(), gone.next()) {
            (Some(program), None) => Some(program),
            _ => None,
        }
    }

    /// Whether the package has a program of this name.
    fn has(&self, program: &str, manifest: &str) -> bool {
        let is_there = |file: String| Path::new(&self.dir).join(file).exists();
        if program.is_empty() {
            let files = ["src/main.rs", "src/lib.rs"];
            return files.iter().any(|file| is_there((*file).to_owned()))
                || manifest.contains("path = ");
        }
        // The compiler knows it by another name than that of its file.
        let names = [program.to_owned(), program.replace('_', "-")];
        let places = ["src/bin", "examples", "tests", "benches"];
        names.iter().any(|name| {
            let in_place = |place: &&str| {
                is_there(format!("{place}/{name}.rs"))
                    || is_there(format!("{place}/{name}/main.rs"))
            };
            places.iter().any(in_place) || manifest.contains(&format!("\"{name}\""))
        })
    }

    /// Whether the keys of any step of a flow are locked.
    pub(crate) fn locks_keys(&self, flow: &LitStr) -> bool {
        let mut steps = self.flow(&flow.value()).into_iter().flatten();
        steps.any(|entry| entry.keys().is_some())
    }
}

impl Entry {
    /// The saved form of its keys, if serde's derives define it.
    pub(crate) fn keys(&self) -> Option<&str> {
        let keys = self.facts.get("key")?;
        (!self.has_keys_by_hand).then_some(keys)
    }
}

impl File {
    pub(crate) fn read(path: &str, text: &str) -> Self {
        let mut file = Self {
            path: path.to_owned(),
            ..Self::default()
        };
        file.fault = file.add(text).err();
        file
    }

    fn add(&mut self, text: &str) -> Result<(), Fault> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut version = 1;
        let mut lines: HashMap<String, usize> = HashMap::new();
        let mut at: Option<(String, String)> = None;
        for (number, line) in text.lines().enumerate() {
            let number = number + 1;
            let line = line[..end(line)].trim();
            if line.is_empty() {
                continue;
            }
            let header = line.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
            if let Some(header) = header {
                let (flow, program) = match header.split_once('.') {
                    Some((flow, program)) => (flow, program.trim_matches('"')),
                    None if version == 1 => (header, ANY),
                    None => (header, ""),
                };
                let key = (flow.to_owned(), program.to_owned());
                self.flows.entry(key.clone()).or_default();
                at = Some(key);
                continue;
            }
            if let Some(found) = version_in(line) {
                version = found;
                if version > VERSION {
                    return Err(Fault {
                        what: format!(
                            "`dataflow.lock` has version {version}, which a newer release has written; this one \
                             reads files up to version {VERSION}"
                        ),
                        mend: "use that release, or take the file from before",
                    });
                }
                continue;
            }
            let Some(flow) = at.as_ref().and_then(|at| self.flows.get_mut(at)) else {
                return Err(Fault::of_line(
                    number,
                    "it stands before the name of any flow",
                ));
            };
            let entry: Entry =
                syn::parse_str(line).map_err(|error| Fault::of_line(number, &why(line, &error)))?;
            if flow.iter().any(|other| other.name == entry.name) {
                let place = at
                    .as_ref()
                    .map(|(flow, program)| format!("{flow}.{program}.{}", entry.name));
                let first = place.and_then(|place| lines.get(&place).copied());
                return Err(Fault {
                    what: format!(
                        "`{}` stands twice in `dataflow.lock`, in line {} and line {number}",
                        entry.name,
                        first.unwrap_or_default()
                    ),
                    mend: "keep the line with which the state was saved, and remove the other one",
                });
            }
            if let Some((flow, program)) = &at {
                lines.insert(format!("{flow}.{program}.{}", entry.name), number);
            }
            flow.push(entry);
        }
        Ok(())
    }
}

impl Fault {
    fn of_line(line: usize, why: &str) -> Self {
        Self {
            what: format!("line {line} of `dataflow.lock` cannot be read: {why}"),
            mend: "mend the line, or take the file from before; then write it anew by the command `lock` of \
                   the program",
        }
    }
}

/// The version in a line.
fn version_in(line: &str) -> Option<u32> {
    let rest = line.strip_prefix("version")?.trim_start();
    rest.strip_prefix('=')?.trim().parse().ok()
}

/// The end of a line, or the start of its comment.
fn end(line: &str) -> usize {
    let (mut is_text, mut is_escaped) = (false, false);
    for (at, c) in line.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '#' if !is_text => return at,
            '\\' if is_text => is_escaped = true,
            '"' => is_text = !is_text,
            _ => {}
        }
    }
    line.len()
}

fn why(line: &str, error: &syn::Error) -> String {
    let is_conflict = ["<<<<<<<", "=======", ">>>>>>>", "|||||||"]
        .iter()
        .any(|mark| line.starts_with(mark));
    match is_conflict {
        true => "it is the mark of a conflict between two changes".to_owned(),
        false => error.to_string(),
    }
}

/// `"name" = { kind = "..", .. }`
impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut entry = Entry {
            name: input.parse::<LitStr>()?.value(),
            ..Entry::default()
        };
        let mut state = Locked::default();
        input.parse::<Token![=]>()?;
        let inside;
        braced!(inside in input);
        while !inside.is_empty() {
            let word: Ident = inside.parse()?;
            inside.parse::<Token![=]>()?;
            match word.to_string().as_str() {
                "kind" => entry.kind = kind(&inside.parse()?)?,
                "operator" => entry.operator = inside.parse::<LitStr>()?.value(),
                "state" => state.name = inside.parse::<LitStr>()?.value(),
                "version" => state.version = inside.parse::<LitInt>()?.base10_parse()?,
                "fingerprint" => state.fingerprint = fingerprint(&inside.parse()?)?,
                "why" => drop(inside.parse::<LitStr>()?),
                "keys_by_hand" => entry.has_keys_by_hand = inside.parse::<syn::LitBool>()?.value,
                // A later release may add entries.
                word => {
                    if let Lit::Str(text) = inside.parse()? {
                        entry.facts.insert(word.to_owned(), text.value());
                    }
                }
            }
            if !inside.is_empty() {
                inside.parse::<Token![,]>()?;
            }
        }
        entry.state = (state.version > 0).then_some(state);
        Ok(entry)
    }
}

fn kind(text: &LitStr) -> syn::Result<Option<Kind>> {
    match text.value().as_str() {
        "source" => Ok(Some(Kind::Source)),
        "sink" => Ok(Some(Kind::Sink)),
        "stateful" => Ok(Some(Kind::Stateful)),
        "dropped" => Ok(None),
        other => {
            let fault = format!("`{other}` is no kind of step");
            Err(syn::Error::new_spanned(text, fault))
        }
    }
}

fn fingerprint(text: &LitStr) -> syn::Result<u64> {
    let wrong = |_| syn::Error::new_spanned(text, "expected 16 hexadecimal digits");
    u64::from_str_radix(&text.value(), 16).map_err(wrong)
}
