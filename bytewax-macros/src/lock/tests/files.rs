//! The lines of the file, and the programs that they are of.

use super::{FLOW, LOCK, Package, expanded, expanded_of};

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

/// A program that was renamed goes on with its section, as long as it is clear which that is.
#[test]
fn a_program_that_is_renamed_has_its_section() {
    let dir = std::env::temp_dir().join(format!("bytewax-renamed-{}", std::process::id()));
    let write = |file: &str, text: &str| {
        let file = dir.join(file);
        std::fs::create_dir_all(file.parent().expect("it is in a directory"))
            .expect("there is room");
        std::fs::write(file, text).expect("there is room");
    };
    write(
        "Cargo.toml",
        "[package]\nname = \"shop\"\n[[bin]]\nname = \"own-place\"\n",
    );
    let section = |program: &str| format!("[shop{program}]\n\"a\" = {{ kind = \"sink\" }}\n");
    let was = |program: &str, sections: &[&str]| {
        let lock: String = sections.iter().map(|it| section(it)).collect();
        let lock = format!("version = 2\n{lock}");
        let dir = dir.display().to_string();
        let package = Package::new(dir, program.to_owned(), Some(&lock));
        assert_eq!(
            package.was("shop").is_some() || sections.contains(&"") && program.is_empty(),
            package.flow("shop").is_some()
        );
        package.was("shop").map(str::to_owned)
    };
    assert_eq!(was("tool", &[".old"]).as_deref(), Some("old"));
    assert_eq!(was("", &[".old"]).as_deref(), Some("old"));
    // It may be any of them, or has one of its own.
    assert_eq!(was("tool", &[".old", ".older"]), None);
    assert_eq!(was("tool", &[".own_place"]), None);
    write("src/bin/old.rs", "");
    assert_eq!(was("tool", &[".old", ".older"]).as_deref(), Some("older"));
    // The program of the package's name.
    assert_eq!(was("tool", &[""]).as_deref(), Some(""));
    write("src/main.rs", "");
    assert_eq!(was("tool", &[""]), None);
    std::fs::remove_dir_all(&dir).expect("it is there");
}

#[test]
fn the_expansion_says_where_the_flow_is_from() {
    let (_, expansion) = expanded_of("tool", LOCK, FLOW);
    let text = expansion.to_string().replace(' ', "");
    assert!(text.contains("package:\"/work\",program:\"tool\",was:::core::option::Option::None,lock:::core::option::Option::Some(::core::include_str!(\"/work/dataflow.lock\"))"), "{text}");
    for name in ["orders.input", "eu.clicks.output", "*.logs.input", "audit"] {
        assert!(text.contains(&format!("(\"{name}\",")), "{name}: {text}");
    }
    assert!(!text.contains("(\"by_item.key_on\","), "{text}");
}
