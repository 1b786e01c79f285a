//! The word count example counts as `tr`, `sort` and `uniq -c` do, however many workers count.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use cli_tests::{END, PATIENCE, Programs, command, list, run, signal, with_ports};

const BOOK: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../examples/sample_data/new_testament.txt"
);
const LINES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../examples/sample_data/wordcount.txt"
);

/// The flags of all ways to run on this machine by one command.
const WAYS: [&str; 5] = ["-w 1", "-w 2", "-w 4", "-p 2", "-p 2 -w 2"];

fn wordcount(file: impl AsRef<Path>, args: &str) -> Command {
    let mut command = command(env!("CARGO_BIN_EXE_wordcount"), args);
    command.arg(file.as_ref());
    command
}

/// What the tools of the system count, as the example prints it, sorted.
fn counted_by_tools(file: &str) -> Vec<String> {
    let script = r#"tr 'A-Z' 'a-z' <"$1" | tr -s ' \t\n\r\v\f0-9!,.?":;' '\n' | sort | uniq -c"#;
    let mut tools = Command::new("sh");
    tools.args(["-c", script, "sh", file]).env("LC_ALL", "C");
    let counts = run(tools).code(0).says("");
    let counts = counts.out.iter().filter_map(|line| {
        // What stands before a separator at the beginning of the file is not a word.
        let (count, word) = line.trim_start().split_once(' ')?;
        (!word.is_empty()).then(|| format!("({word:?}, {count})"))
    });
    let mut counts: Vec<_> = counts.collect();
    counts.sort_unstable();
    counts
}

#[track_caller]
fn same(found: &[String], expected: &[String], how: &str) {
    assert_eq!(
        found.len(),
        expected.len(),
        "the number of words with {how}"
    );
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected, "with {how}");
    }
}

#[test]
fn the_words_of_a_book_are_counted_as_the_tools_of_the_system_count_them() {
    let text = fs::read(BOOK).expect("the book is there");
    assert!(text.is_ascii(), "the tools know no other letters");
    let expected = counted_by_tools(BOOK);
    assert!(expected.len() > 5000, "{} words", expected.len());
    for way in WAYS {
        let ended = run(wordcount(BOOK, way)).code(0).says("");
        same(&ended.sorted(), &expected, way);
    }
}

#[test]
fn two_processes_started_by_hand_count_the_same() {
    let expected = counted_by_tools(BOOK);
    with_ports(2, |addresses| {
        let mut programs = Programs::new();
        for process in 0..2 {
            let mut command = wordcount(BOOK, "-w 2");
            command.args(["-i", &process.to_string(), "-a", &list(addresses)]);
            programs.start(command);
        }
        let mut found = Vec::new();
        for ended in programs.all_ended(PATIENCE)? {
            let ended = ended.code(0).says("");
            assert!(!ended.out.is_empty(), "both processes have words to count");
            found.extend(ended.out);
        }
        found.sort_unstable();
        same(&found, &expected, "two processes started by hand");
        Ok(())
    });
}

#[test]
fn the_lines_of_hamlet_are_counted() {
    let expected = r#"("a", 3) ("against", 1) ("and", 4) ("arms", 1) ("arrows", 1) ("be", 3)
        ("by", 2) ("consummation", 1) ("devoutly", 1) ("die", 1) ("end", 2) ("flesh", 1)
        ("fortune", 1) ("heart-ache", 1) ("heir", 1) ("in", 1) ("is", 2) ("mind", 1) ("more", 1)
        ("natural", 1) ("nobler", 1) ("no", 1) ("not", 1) ("of", 2) ("opposing", 1) ("or", 2)
        ("outrageous", 1) ("question", 1) ("say", 1) ("sea", 1) ("shocks", 1) ("sleep", 2)
        ("slings", 1) ("suffer", 1) ("take", 1) ("that", 2) ("the", 5) ("them", 1)
        ("thousand", 1) ("'tis", 2) ("to", 9) ("troubles", 1) ("we", 1)
        ("whether", 1) ("wished", 1)"#;
    let mut expected: Vec<_> = expected
        .split_inclusive(')')
        .map(|word| word.trim().to_owned())
        .collect();
    expected.sort_unstable();
    for way in WAYS {
        let ended = run(wordcount(LINES, way)).code(0).says("");
        assert_eq!(ended.sorted(), expected, "with {way}");
    }
}

/// Runs in all sorts of ways with a file that cannot be counted.
#[track_caller]
fn fails(file: &Path, step: &str, cause: &str) {
    for way in ["-w 1", "-w 3", "-p 2"] {
        let ended = run(wordcount(file, way)).code(1);
        let step = format!("error: step `{step}`, ");
        let ended = ended.says_once(&step).says_once(cause);
        let summaries = ended
            .err
            .matches(" of 2 ended with exit status 1\n")
            .count();
        assert_eq!(summaries, usize::from(way == "-p 2"), "{ended}");
        assert_eq!(
            ended.err.matches("error: ").count(),
            1 + summaries,
            "{ended}"
        );
    }
}

#[test]
fn a_file_that_is_not_there_is_told_once() {
    let file = Path::new("/no/such/file.txt");
    let cause = "\n  caused by: cannot open the file `/no/such/file.txt`; it must be there, and \
                 readable, for each process of the run\n  caused by: No such file or directory";
    fails(file, "wordcount.lines.input", cause);
}

#[test]
fn the_words_of_all_files_of_a_directory_are_counted() {
    let directory = tempfile::tempdir().expect("there is room");
    for file in ["a.txt", "b.txt"] {
        fs::copy(LINES, directory.path().join(file)).expect("there is room");
    }
    let twice = fs::read_to_string(LINES).expect("it is there").repeat(2);
    let both = tempfile::NamedTempFile::new().expect("there is room");
    fs::write(&both, twice).expect("there is room");
    let expected = counted_by_tools(both.path().to_str().expect("it is text"));
    for way in WAYS {
        let ended = run(wordcount(directory.path(), way)).code(0).says("");
        same(&ended.sorted(), &expected, way);
    }
}

#[test]
fn bytes_that_are_not_text_are_told_once_with_their_place() {
    let directory = tempfile::tempdir().expect("there is room");
    let path = directory.path().join("bytes.txt");
    fs::write(&path, b"some words\nand \xff others\n").expect("there is room");
    let cause = format!(
        "\n  caused by: line 2 of the file `{}`: byte 15 of the file is not UTF-8; ",
        path.display()
    );
    fails(&path, "wordcount.lines.input", &cause);
}

#[test]
fn a_graph_is_drawn_without_the_file() {
    for (format, start) in [
        (
            "mermaid",
            "flowchart TD\nsubgraph \"wordcount (Dataflow)\"\n",
        ),
        ("dot", "digraph \"wordcount\" {\n"),
        ("json", "{\n  \"flow\": \"wordcount\",\n"),
    ] {
        for flags in ["", "-w 3", "-p 2"] {
            let args = format!("{flags} graph --format {format}");
            let mut program = command(env!("CARGO_BIN_EXE_wordcount"), "");
            program.arg("/no/such/file").args(args.split_whitespace());
            let ended = run(program).code(0).says("");
            assert!(ended.out.join("\n").starts_with(start), "{ended}");
        }
    }
}

#[test]
fn the_ids_of_the_steps_stay() {
    let mut program = command(env!("CARGO_BIN_EXE_wordcount"), "");
    program.args(["book.txt", "graph", "--format", "json"]);
    let json = run(program).code(0).out.join("\n");
    let graph: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    let steps = graph["steps"].as_array().expect("there are steps");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let found: Vec<_> = steps
        .iter()
        .map(|step| format!("{} {}", text(&step["id"]), text(&step["operator"])))
        .collect();
    assert_eq!(
        found,
        [
            "wordcount.lines.input input",
            "wordcount.words.flat_map flat_map",
            "wordcount.counts.key_on key_on",
            "wordcount.counts.count_final count_final",
            "wordcount.counts.output output",
        ]
    );
}

/// A store from before positions of files said whether a file has ended. Its file is read on behind the last line,
/// which had no end then.
#[test]
fn an_older_position_of_a_file_is_gone_on_from() {
    let old = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/stores/files-v2/part-0.sqlite3"
    );
    let resume = |text: &str| {
        let directory = tempfile::tempdir().expect("there is a place for files");
        fs::create_dir(directory.path().join("store")).expect("there is room");
        fs::copy(old, directory.path().join("store/part-0.sqlite3")).expect("there is room");
        fs::write(directory.path().join("lines.txt"), text).expect("there is room");
        let mut command = wordcount("lines.txt", "-r store");
        command.current_dir(directory.path());
        run(command)
    };
    let ended = resume("one two\ntwo\nthr\ntwo four\n").code(0);
    assert_eq!(ended.sorted(), ["(\"four\", 1)", "(\"two\", 1)"]);
    let refused = resume("one two\ntwo\nthree\n").code(1);
    refused.says_once(
        "the last line of the file `lines.txt` had no end when it was read, up to byte 15",
    );
    let refused = resume("other words, and longer than before\n").code(1);
    refused.says_once("is not the one that was read up to byte 15 before");
}

/// What is counted is not at its end, so no count is printed; and nothing waits for a pipe that gives nothing.
#[test]
fn a_signal_ends_a_run_whose_input_is_silent() {
    for (args, name, code) in [
        ("", "-TERM", 143),
        ("-w 2", "-INT", 130),
        ("-p 2", "-TERM", 143),
    ] {
        let directory = tempfile::tempdir().expect("there is a place for files");
        let pipe = directory.path().join("pipe");
        let made = Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("there is a program `mkfifo`").success());
        let mut programs = Programs::new();
        programs.start(wordcount(&pipe, args));
        // It opens when the source reads it, so the run has begun.
        let mut writer = fs::OpenOptions::new()
            .write(true)
            .open(&pipe)
            .expect("it is read");
        writer.write_all(b"a line\n").expect("it is read");
        signal(name, programs.id(0));
        let ended = programs
            .ended(0, END)
            .expect("the system chooses the ports");
        let ended = ended.code(code);
        assert_eq!(ended.out, Vec::<String>::new(), "{ended}");
        drop(writer);
    }
}

/// The files of a directory, of which there are more than a process may open.
#[test]
fn more_files_than_a_process_may_open() {
    let place = tempfile::tempdir().expect("there is a place");
    for number in 0..400 {
        let path = place.path().join(number.to_string());
        fs::write(path, "word\n").expect("it can be written");
    }
    for way in ["-w 1", "-w 2", "-p 2"] {
        let mut limited = Command::new("sh");
        let script = format!("ulimit -n 150; exec \"$0\" \"$1\" {way}");
        limited.args(["-c", &script, env!("CARGO_BIN_EXE_wordcount")]);
        limited.arg(place.path());
        assert_eq!(run(limited).code(0).out, ["(\"word\", 400)"], "{way}");
    }
}

/// The example without its file.
fn without_file(args: &str) -> Command {
    command(env!("CARGO_BIN_EXE_wordcount"), args)
}

#[test]
fn commands_that_read_no_input_need_no_file() {
    let directory = tempfile::tempdir().expect("there is room");
    let place = directory.path().display();
    let note = "the flow was built with placeholders for `<FILE>`";
    let drawn = run(without_file("graph")).code(0).says_once(note).out;
    assert!(drawn.join("\n").contains("wordcount"), "{drawn:?}");
    let lock = format!("--file {place}/dataflow.lock");
    run(without_file(&format!("lock {lock}")))
        .code(0)
        .says_once(note);
    // It is the same with the file.
    let check = format!("{LINES} lock --check {lock}");
    run(without_file(&check)).code(0).says("");
    run(without_file(&format!("recovery init {place} 2")))
        .code(0)
        .says("");
    let shown = run(without_file(&format!("recovery show {place}")))
        .code(0)
        .says("");
    assert!(shown.out[0].contains("wordcount"), "{shown}");
}

#[test]
fn commands_that_read_the_input_name_the_file_that_is_missing() {
    for args in ["", "run", "-w 2", "recovery try state"] {
        let ended = run(without_file(args)).code(2);
        let ended =
            ended.says_once("the following required arguments were not provided:\n  <FILE>\n");
        assert!(ended.err.contains("\n\nUsage: wordcount "), "{ended}");
    }
}
