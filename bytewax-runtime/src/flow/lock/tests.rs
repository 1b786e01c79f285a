//! What stands in the file, and what is left of it when a flow is locked anew.

use super::*;
use crate::flow::Origin;
use crate::prelude::*;
use crate::state::{Field, Schema, State};
use crate::testing::{TestingSink, TestingSource};

fn shop(name: &str, stateful: bool) -> Dataflow {
    Dataflow::build(name, |flow| {
        flow.dropped("visits", "nobody \"needed\"\nthem");
        let orders = flow
            .input(TestingSource::new([(1_u64, 2_u64)]))
            .named("orders.input");
        let orders = orders.map_value(|n| n).named("orders.map_value");
        let sums = match stateful {
            true => orders
                .stateful_map(|sum: &mut u64, n| *sum + n)
                .named("sums"),
            false => orders,
        };
        flow.scope("eu", || sums.output(TestingSink::new()).named("out"));
    })
}

/// The key, and the hash of a sample of it, for ever.
const KEY: &str = "key = \"u64\", hash = \"ef953636\", inputs = \"orders.input\"";

/// What the path to the only sink promises.
const DELIVERS: &str =
    "promise = \"replayable\", delivers = \"at least once to eu.out, as `eu.out` is append\"";

const U64: &str = "state = \"u64\", version = 1, fingerprint = \"";

fn locked(flows: &[&Dataflow]) -> String {
    let mut file = LockFile::default();
    for flow in flows {
        file.lock(flow.graph());
    }
    file.to_string()
}

#[test]
fn has_a_sorted_line_for_all_that_is_named_for_ever() {
    let text = locked(&[&shop("shop", true), &shop("aside", false)]);
    let fingerprint = format!("{:016x}", <u64 as crate::state::State>::SCHEMA.fingerprint);
    let expect = format!(
        "{HEADER}
[aside]
\"eu.out\" = {{ kind = \"sink\", operator = \"output\", promise = \"append\" }}
\"orders.input\" = {{ kind = \"source\", operator = \"input\", {U64}{fingerprint}\", {DELIVERS} }}
\"visits\" = {{ kind = \"dropped\", why = \"nobody \\\"needed\\\" them\" }}

[shop]
\"eu.out\" = {{ kind = \"sink\", operator = \"output\", promise = \"append\" }}
\"orders.input\" = {{ kind = \"source\", operator = \"input\", {U64}{fingerprint}\", {DELIVERS} }}
\"sums\" = {{ kind = \"stateful\", operator = \"stateful_map\", {U64}{fingerprint}\", {KEY} }}
\"visits\" = {{ kind = \"dropped\", why = \"nobody \\\"needed\\\" them\" }}
"
    );
    assert_eq!(text, expect);
}

#[test]
fn a_step_that_is_off_keeps_its_line() {
    let mut file = LockFile::read(&locked(&[&shop("shop", true)])).unwrap();
    let before = file.to_string();
    let off = Dataflow::build("shop", |flow| {
        flow.kept("sums", "it is off today");
        flow.kept("never", "it was never there");
        flow.dropped("visits", "nobody \"needed\"\nthem");
        let orders = flow.input(TestingSource::new([(1_u64, 2_u64)]));
        let orders = orders.named("orders.input");
        flow.scope("eu", || orders.output(TestingSink::new()).named("out"));
    });
    assert_eq!(file.lock(off.graph()).lines, []);
    assert_eq!(file.to_string(), before);
}

#[test]
fn keeps_other_flows_and_tells_what_changed() {
    let text = locked(&[&shop("shop", true), &shop("aside", false)]);
    let mut file = LockFile::read(&text).unwrap();
    assert_eq!(file.to_string(), text);
    assert_eq!(file.lock(shop("shop", true).graph()).lines, []);
    assert_eq!(file.to_string(), text);
    let changes = file.lock(shop("shop", false).graph());
    let [Change::Removed(line)] = &changes.lines[..] else {
        panic!("{changes:?}");
    };
    assert!(
        line.starts_with("\"sums\" = { kind = \"stateful\""),
        "{line}"
    );
    assert_eq!(
        file.to_string(),
        locked(&[&shop("shop", false), &shop("aside", false)])
    );
    let text = text.replace("\"u64\", version = 1", "\"u64\", version = 2");
    assert_eq!(
        LockFile::read(&text)
            .unwrap()
            .lock(shop("aside", false).graph())
            .lines
            .len(),
        2
    );
}

/// A flow of a program of the package.
fn of_program(flow: Dataflow, program: &'static str) -> Dataflow {
    flow.with_origin(Origin {
        package: "/shop",
        program,
        was: None,
        lock: None,
        arguments: &[("sums", 0xab), ("orders.input", 0xcd)],
    })
}

#[test]
fn what_people_have_written_stays() {
    let text = locked(&[&shop("shop", true), &shop("aside", false)]);
    let written = text
        .replace("[aside]", "# The flow beside.\n[aside] # it is small")
        .replace("\"eu.out\"", "# Europe.\n  \"eu.out\"  ")
        .replace("them\" }", "them\" } # really, \"nobody\"");
    let crlf = format!("\u{feff}{}", written.replace('\n', "\r\n"));
    let mut file = LockFile::read(&crlf).unwrap();
    let changes = file.lock(shop("shop", true).graph());
    assert_eq!(changes.lines, []);
    let canonical = |text: &str| text.replace("  \"eu.out\"   =", "\"eu.out\" =");
    assert_eq!(file.to_string(), canonical(&crlf));
    // A line that is new, and one that is gone, change nothing else.
    file.lock(shop("shop", false).graph());
    let (before, after) = (canonical(&crlf), file.to_string());
    let gone: Vec<_> = before
        .lines()
        .filter(|line| !after.contains(line))
        .collect();
    assert_eq!(gone.len(), 1, "{gone:?}");
    assert!(gone[0].starts_with("\"sums\" = "), "{gone:?}");
    file.lock(shop("shop", true).graph());
    assert_eq!(file.to_string(), before);
}

#[test]
fn flows_of_one_name_in_several_programs_have_sections_of_their_own() {
    let of = |stateful, program| of_program(shop("shop", stateful), program);
    let mut file = LockFile::default();
    file.lock(of(true, "").graph());
    file.lock(of(false, "tool").graph());
    let text = file.to_string();
    assert!(text.contains("\n\n[shop.tool]\n\"eu.out\""), "{text}");
    for (stateful, program) in [(true, ""), (false, "tool")] {
        let mut file = LockFile::read(&text).unwrap();
        assert_eq!(
            file.lock(of(stateful, program).graph()),
            Changes {
                are_of_arguments: true,
                difference: difference(
                    &file.section("shop", program).unwrap(),
                    &file.section("shop", program).unwrap()
                ),
                lines: Vec::new(),
            }
        );
        assert_eq!(file.lacks(of(stateful, program).graph()), Some(Vec::new()));
    }
    assert_eq!(file.lacks(of(true, "other").graph()), None);
}

#[test]
fn a_program_that_was_renamed_takes_its_section_over() {
    let of = |was| {
        shop("shop", true).with_origin(Origin {
            package: "/shop",
            program: "new",
            was,
            lock: None,
            arguments: &[("sums", 0xab), ("orders.input", 0xcd)],
        })
    };
    let mut file = LockFile::default();
    file.lock(of_program(shop("shop", true), "old").graph());
    let old = file.to_string();
    assert_eq!(file.headers_of("shop"), ["`[shop.old]`"]);
    assert_eq!(file.lacks(of(Some("old")).graph()), Some(Vec::new()));
    assert_eq!(file.lock(of(Some("old")).graph()).lines, []);
    assert_eq!(file.to_string(), old.replace("[shop.old]", "[shop.new]"));
    // Else it has one of its own.
    let mut file = LockFile::read(&old).unwrap();
    assert!(!file.lock(of(None).graph()).lines.is_empty());
    assert_eq!(file.headers_of("shop"), ["`[shop.new]`", "`[shop.old]`"]);
}

/// The types of the program in a state, so that a difference can be judged.
#[test]
fn types_within_a_state_are_listed() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Amount {
        cents: u64,
    }
    impl State for Amount {
        const SCHEMA: Schema = Schema::new("Amount", 3, &[Field::of::<u64>("cents")]);
    }
    let flow = Dataflow::build("f", |flow| {
        let numbers = flow.input(TestingSource::new([(1_u64, 2_u64)])).named("in");
        let all = numbers
            .clone()
            .stateful_map(|all: &mut Vec<Option<Amount>>, _| all.len());
        all.named("all").output(TestingSink::new()).named("all_out");
        let one = numbers.stateful_flat_map(|one: &mut Option<u64>, n| one.replace(n));
        one.named("one").output(TestingSink::new()).named("one_out");
    });
    let text = locked(&[&flow]);
    let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap();
    let types = line("\"all\"").split_once("types = \"").unwrap().1;
    let types: Vec<&str> = types.split('"').next().unwrap().split(", ").collect();
    assert!(
        types[0].starts_with("Vec 1 ") && types[1].starts_with("Amount 3 "),
        "{types:?}"
    );
    assert!(!line("\"one\"").contains("types = "), "{text}");
}

#[test]
fn a_file_of_an_earlier_release_is_of_any_program_until_one_locks_it() {
    let of = |name, program| of_program(shop(name, true), program);
    let new = {
        let mut file = LockFile::default();
        file.lock(of("shop", "").graph());
        file.lock(of("aside", "").graph());
        file.to_string()
    };
    let old = new.replace("version = 2\n", "");
    let mut file = LockFile::read(&old).unwrap();
    assert_eq!(file.lacks(of("shop", "tool").graph()), Some(Vec::new()));
    assert_eq!(file.lock(of("shop", "tool").graph()).lines, []);
    let text = file.to_string();
    assert!(text.contains("\nversion = 2\n"), "{text}");
    assert!(text.contains("[aside.\"*\"]"), "{text}");
    assert!(
        text.contains("[shop.tool]") && !text.contains("[shop]"),
        "{text}"
    );
    let mut file = LockFile::read(&text).unwrap();
    file.lock(of("aside", "").graph());
    assert!(file.to_string().contains("\n[aside]\n"), "{file}");
}

#[test]
fn what_cannot_be_read_is_reported_by_its_line() {
    let text = locked(&[&shop("shop", true)]);
    for (line, expect) in [
        (
            "<<<<<<< HEAD",
            "line 4: it is the mark of a conflict between two changes",
        ),
        (
            "version = 3",
            "line 4: the file has version 3, which a newer release has written",
        ),
        ("version = x", "line 4: `x` is no version"),
        ("\"a\" = 3", "line 4: it is no step, such as"),
        ("nonsense", "line 4: it is no step, such as"),
        (
            "\"a\" = { kind = \"sink\" }",
            "line 4: it stands before the name of any flow",
        ),
    ] {
        let error = LockFile::read(&text.replacen("\n\n", &format!("\n{line}\n"), 1)).unwrap_err();
        assert!(error.starts_with(expect), "{error}");
    }
}

#[test]
fn a_line_that_stands_twice_is_written_once() {
    let text = locked(&[&shop("shop", true)]);
    let line = text
        .lines()
        .find(|line| line.starts_with("\"sums\""))
        .unwrap();
    let twice = text.replace(
        line,
        &format!("{line}\n{}", line.replace("version = 1", "version = 3")),
    );
    let mut file = LockFile::read(&twice).unwrap();
    file.lock(shop("shop", true).graph());
    assert_eq!(file.to_string(), text);
}

#[test]
fn arguments_are_locked_and_alone_need_no_new_file() {
    let mut file = LockFile::default();
    file.lock(of_program(shop("shop", true), "").graph());
    let text = file.to_string();
    assert!(text.contains("arguments = \"000000ab\""), "{text}");
    let mut file = LockFile::read(&text.replace("000000ab", "00000012")).unwrap();
    let changes = file.lock(of_program(shop("shop", true), "").graph());
    assert!(
        changes.are_of_arguments && changes.lines.len() == 2,
        "{changes:?}"
    );
    let words = changes.difference.to_string();
    assert!(
        words.contains("judge: the arguments of `sums` have changed"),
        "{words}"
    );
    assert_eq!(file.to_string(), text);
}

#[test]
fn a_path_that_promises_less_is_for_people_to_judge() {
    let text = locked(&[&shop("shop", true)]);
    let before = text
        .replace(
            "at least once to eu.out, as `eu.out` is append",
            "exactly once to eu.out",
        )
        .replace("promise = \"append\"", "promise = \"transactional\"");
    let (old, new) = [&before, &text]
        .map(|text| LockFile::read(text).unwrap())
        .into();
    let (words, is_refused) = old.diff(&new);
    assert!(
        words.ends_with(
            "  judge: the delivery of `orders.input` was `exactly once to eu.out`, and is `at least once to eu.out, as \
             `eu.out` is append`\n"
        ),
        "{words}"
    );
    assert!(!is_refused);
    // A file of before promises were written says nothing of them.
    let promises = [", promise = \"append\"", &format!(", {DELIVERS}")];
    let silent = promises
        .iter()
        .fold(text.clone(), |text, promise| text.replace(*promise, ""));
    let silent = LockFile::read(&silent).unwrap();
    let (words, _) = silent.diff(&new);
    assert_eq!(words, "no saved state changes\n");
    assert_eq!(silent.lacks(shop("shop", true).graph()), Some(Vec::new()));
}

#[test]
fn a_step_that_was_moved_or_confirmed_says_so() {
    let flow = Dataflow::build("f", |flow| {
        flow.moved("in", "eu.orders");
        flow.moved("out", "out");
        let orders = flow.scope("eu", || flow.input(TestingSource::new([1])).named("orders"));
        orders.output(TestingSink::new()).named("out");
    });
    let text = locked(&[&flow]);
    assert!(text.contains("\"in\" = { kind = \"source\""), "{text}");
    assert!(text.contains("moved = \"eu.orders\" }"), "{text}");
    assert!(
        text.contains("\"out\" = { kind = \"sink\", operator = \"output\", promise = \"append\", confirmed = true }"),
        "{text}"
    );
}
