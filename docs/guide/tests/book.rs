//! The chapters are listed and tested, links resolve, and compiler messages are the real ones.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()))
}

/// The names of all chapters, from the files that are there.
fn chapters() -> BTreeSet<String> {
    let files = fs::read_dir(src()).expect("the folder `src`");
    let names = files.map(|file| file.expect("a file of `src`").file_name());
    let names = names.map(|name| name.into_string().expect("a name in UTF-8"));
    names
        .filter(|name| name.ends_with(".md") && name != "SUMMARY.md")
        .collect()
}

/// The targets of the links and images in a text, without those in code.
fn links(text: &str) -> Vec<String> {
    let mut in_code = false;
    let mut targets = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for rest in line.split("](").skip(1) {
            let target = rest.split(')').next().unwrap_or_default();
            targets.push(target.to_owned());
        }
    }
    targets
}

/// The anchors of the headings of a chapter, as mdBook makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let titles = headings.map(|line| line.trim_start_matches('#').trim().to_lowercase());
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    titles
        .map(|title| title.chars().filter(kept).collect::<String>())
        .map(|title| title.replace(' ', "-"))
        .collect()
}

#[test]
fn the_summary_lists_every_chapter_once() {
    let listed = links(&read(&src().join("SUMMARY.md")));
    let unique: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(unique.len(), listed.len(), "a chapter is listed twice");
    assert_eq!(unique, chapters());
}

#[test]
fn the_code_of_every_chapter_is_tested() {
    let tested = bytewax_guide::TESTED.iter().chain(bytewax_guide::INCLUDED);
    let tested: BTreeSet<_> = tested.map(|file| file.replace("src/", "")).collect();
    assert_eq!(tested, chapters());
}

/// The lines of all blocks of Rust code in a text.
fn rust_code(text: &str) -> impl Iterator<Item = &str> {
    let blocks = text.split("```rust").skip(1);
    let code = blocks.map(|block| block.split("```").next().unwrap_or_default());
    code.flat_map(|code| code.lines().skip(1))
}

#[test]
fn included_code_is_that_of_the_cookbook() {
    let examples = src().join("../../../examples");
    let programs = fs::read_dir(examples.join("cookbook/src/bin"));
    let programs = programs.expect("the programs of the cookbook");
    let programs = programs.map(|file| file.expect("a program").path());
    let mut programs: BTreeSet<_> = programs.collect();
    programs.insert(examples.join("cdc-to-parquet/src/main.rs"));
    let mut included = BTreeSet::new();
    let texts: Vec<_> = bytewax_guide::INCLUDED
        .iter()
        .map(|file| read(&src().join("..").join(file)))
        .collect();
    for line in texts.iter().flat_map(|text| rust_code(text)) {
        let target = line
            .strip_prefix("{{#include ")
            .and_then(|rest| rest.strip_suffix("}}"));
        let target = target.unwrap_or_else(|| panic!("`{line}` is tested nowhere"));
        let (file, anchor) = target.split_once(':').unwrap_or((target, ""));
        let text = read(&src().join(file));
        assert!(
            text.contains(&format!("// ANCHOR: {anchor}\n")) || anchor.is_empty(),
            "`{target}`"
        );
        included.insert(src().join(file));
    }
    assert_eq!(included, programs);
}

#[test]
fn every_code_block_names_its_language() {
    for name in chapters() {
        let text = read(&src().join(&name));
        let fences = text.lines().filter(|line| line.starts_with("```"));
        for (number, fence) in fences.enumerate() {
            let opens = number % 2 == 0;
            assert_eq!(opens, fence != "```", "`{name}`: block {}", number / 2 + 1);
        }
    }
}

#[test]
fn every_relative_link_resolves() {
    for name in chapters() {
        let text = read(&src().join(&name));
        for target in links(&text) {
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target.as_str(), ""));
            let file = if file.is_empty() { name.as_str() } else { file };
            let path = src().join(file);
            assert!(path.is_file(), "`{name}`: the link `{target}`");
            if !anchor.is_empty() {
                let known = anchors(&read(&path));
                assert!(known.contains(anchor), "`{name}`: the anchor of `{target}`");
            }
        }
    }
}

/// A message of the compiler, as if the code were in `src/main.rs`.
fn in_main(message: &str) -> String {
    let place = |line: &str| match line.split_once("--> tests/") {
        Some((indent, place)) => {
            let at = place.split_once(':').map_or("", |(_, at)| at);
            format!("{indent}--> src/main.rs:{at}")
        }
        None => line.to_owned(),
    };
    message.lines().map(place).collect::<Vec<_>>().join("\n")
}

/// All expected messages of the tests of compile errors.
fn expected_messages(folder: &Path, all: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder of compile errors") {
        let path = entry.expect("an entry of the folder").path();
        if path.is_dir() {
            expected_messages(&path, all);
        } else if path.extension().is_some_and(|ending| ending == "stderr") {
            all.push(in_main(&read(&path)));
        }
    }
}

#[test]
fn compiler_messages_are_those_of_the_tests() {
    let mut expected = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui-tests/tests/fail");
    expected_messages(&root, &mut expected);
    let mut seen = 0;
    for name in chapters() {
        let text = read(&src().join(&name));
        for block in text.split("```text\nerror").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            let message = format!("error{}", block.trim_end());
            let real = expected.iter().any(|text| text.contains(&message));
            assert!(
                real,
                "`{name}` shows a message that no test expects:\n{message}"
            );
            seen += 1;
        }
    }
    assert!(seen > 0, "no chapter shows a message of the compiler");
}
