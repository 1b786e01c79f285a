//! The lines of the file, and the programs that they are of.

use super::{FLOW, LOCK, expanded, expanded_of};

#[test]
fn a_file_that_cannot_be_read_is_told_by_its_line() {
    for (line, why) in [
        (
            "<<<<<<< HEAD",
            "it is the mark of a conflict between two changes",
        ),
        (
            "\"a.input\" = { kind = \"sourc\" }",
            "`sourc` is no kind of step",
        ),
        ("\"a.input\" { kind = \"source\" }", "expected `=`"),
        (
            "\"a.map\" = { kind = \"stateful\", version = 1, fingerprint = \"x\" }",
            "expected 16 hexadecimal digits",
        ),
    ] {
        let (messages, _) = expanded(
            &LOCK
                .replace("# Comments do not count.", "[a]")
                .replace("[other]", line),
            FLOW,
        );
        let expect = format!(
            "line 3 of `dataflow.lock` cannot be read: {why}\n\
             help: mend the line, or take the file from before; then write it anew by the command \
             `lock` of the program"
        );
        assert_eq!(messages, [expect]);
    }
    let (messages, _) = expanded("\"a.input\" = { kind = \"source\" }", FLOW);
    assert!(messages[0].starts_with("line 1 of `dataflow.lock` cannot be read: it stands before"));
}

#[test]
fn marks_and_ends_of_lines_do_not_count() {
    let flow = FLOW.replace("carts.output(files);", "carts.inspect(f);");
    let expect = expanded(LOCK, &flow).0;
    assert_eq!(expect.len(), 1);
    let crlf = format!("\u{feff}{}", LOCK.replace('\n', "\r\n"));
    assert_eq!(expanded(&crlf, &flow).0, expect);
    let comments = LOCK
        .replace("[shop]", "[shop] # the shop")
        .replace("output\" }", "output\" } # it is \"there\"");
    assert_eq!(expanded(&comments, &flow).0, expect);
}

#[test]
fn a_line_that_stands_twice_is_told() {
    let line = "\"audit\" = { kind = \"sink\", operator = \"output\" }";
    let (messages, _) = expanded(&LOCK.replace(line, &format!("{line}\n{line}")), FLOW);
    assert_eq!(
        messages,
        [
            "`audit` stands twice in `dataflow.lock`, in line 7 and line 8\n\
          help: keep the line with which the state was saved, and remove the other one"
        ]
    );
    // Also in a section that stands twice, but not in that of another flow.
    let (messages, _) = expanded(&format!("{LOCK}[shop]\n{line}\n"), FLOW);
    assert!(
        messages[0].starts_with("`audit` stands twice"),
        "{messages:?}"
    );
    let (messages, _) = expanded(&format!("{LOCK}[market]\n{line}\n"), FLOW);
    assert_eq!(messages, [""; 0]);
}

#[test]
fn a_newer_file_is_told() {
    let (messages, _) = expanded(&format!("version = 3\n{LOCK}"), FLOW);
    assert_eq!(
        messages,
        [
            "`dataflow.lock` has version 3, which a newer release has written; this one reads files up to version 2\n\
          help: use that release, or take the file from before"
        ]
    );
}

#[test]
fn flows_of_one_name_are_of_their_programs() {
    let of = |lock: &str, program: &str| {
        let flow = "flow.input(x).output(y);";
        expanded_of(program, lock, flow).0.len()
    };
    // What an earlier release has written is of any.
    assert_ne!(of(LOCK, ""), 0);
    assert_ne!(of(LOCK, "tool"), 0);
    let lock = format!("version = 2\n{LOCK}");
    assert_ne!(of(&lock, ""), 0);
    assert_eq!(of(&lock, "tool"), 0);
    let lock = lock.replace("[shop]", "[shop.tool]");
    assert_eq!(of(&lock, ""), 0);
    assert_ne!(of(&lock, "tool"), 0);
    let lock = lock.replace("[shop.tool]", "[shop.\"*\"]");
    assert_ne!(of(&lock, ""), 0);
    assert_ne!(of(&lock, "tool"), 0);
    assert_eq!(of(&format!("{lock}[shop.tool]\n"), "tool"), 0);
}

#[test]
fn the_expansion_says_where_the_flow_is_from() {
    let (_, expansion) = expanded_of("tool", LOCK, FLOW);
    let text = expansion.to_string().replace(' ', "");
    assert!(text.contains("package:\"/work\",program:\"tool\",lock:::core::option::Option::Some(::core::include_str!(\"/work/dataflow.lock\"))"), "{text}");
    for name in ["orders.input", "eu.clicks.output", "*.logs.input", "audit"] {
        assert!(text.contains(&format!("(\"{name}\",")), "{name}: {text}");
    }
    assert!(!text.contains("(\"by_item.key_on\","), "{text}");
}
