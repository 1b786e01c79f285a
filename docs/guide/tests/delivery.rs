//! The tables of the chapter on delivery are what the code says, and the tests that they name are there.
//!
//! `WRITE=1 cargo test -p bytewax-guide --test delivery` writes the tables.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use bytewax::connectors::csv::{CsvSink, CsvSource};
use bytewax::connectors::demo::RandomMetricSource;
use bytewax::connectors::files::{DirSink, DirSource, FileSink, FileSource};
use bytewax::connectors::json::{JsonLinesSink, JsonLinesSource};
use bytewax::connectors::kafka::{KafkaMessage, KafkaSink, KafkaSource};
use bytewax::connectors::stdio::{StdErrSink, StdInSource, StdOutSink};
use bytewax::flow::{Flow, Stream};
use bytewax::operators::{Sink, Source};
use bytewax::prelude::*;
use bytewax::testing::{TestingSink, TestingSource};

/// A built-in source or sink.
struct Connector<F> {
    /// How a program makes it, in short.
    name: &'static str,
    /// The test of its promise: a file of the repository, and a function in it.
    test: (&'static str, &'static str),
    add: F,
}

type SourceOf = Connector<Box<dyn Fn(&Flow) -> Stream<()>>>;
type SinkOf = Connector<Box<dyn Fn(Stream<()>)>>;

fn source<K, S: Source<K>>(
    name: &'static str,
    test: (&'static str, &'static str),
    make: impl Fn() -> S + 'static,
) -> SourceOf {
    let add = move |flow: &Flow| flow.input(make()).named("source").map(|_| ());
    Connector {
        name,
        test,
        add: Box::new(add),
    }
}

fn sink<T: 'static, K, S: Sink<T, K>>(
    name: &'static str,
    test: (&'static str, &'static str),
    item: impl Fn() -> T + Copy + Send + Sync + 'static,
    make: impl Fn() -> S + 'static,
) -> SinkOf {
    let add = move |items: Stream<()>| {
        items.map(move |()| item()).output(make()).named("sink");
    };
    Connector {
        name,
        test,
        add: Box::new(add),
    }
}

const KIT: &str = "bytewax-connectors/tests/it/kit.rs";
const STDIO: &str = "bytewax-connectors/tests/it/stdio.rs";
const OF_TESTS: &str = "bytewax-runtime/src/testing/connector/tests.rs";

fn sources() -> Vec<SourceOf> {
    let file = || FileSource::new("in.txt");
    vec![
        source("FileSource", (KIT, "lines_of_a_file"), file),
        source(
            "FileSource::follow",
            (KIT, "a_file_that_is_followed"),
            move || file().follow(),
        ),
        source(
            "FileSource::watch",
            (KIT, "a_directory_that_is_watched"),
            move || file().watch(),
        ),
        source("DirSource", (KIT, "lines_of_a_directory"), || {
            DirSource::new("in")
        }),
        source("CsvSource", (KIT, "rows_of_a_csv_file"), || {
            CsvSource::new("in.csv")
        }),
        source("JsonLinesSource", (KIT, "lines_of_json"), || {
            JsonLinesSource::<u64>::new("in.jsonl")
        }),
        source(
            "KafkaSource",
            (
                "kafka-tests/tests/mock/source.rs",
                "it_goes_on_wherever_it_is_stopped",
            ),
            || KafkaSource::new("localhost:9092", ["in"]),
        ),
        source("RandomMetricSource", (KIT, "values_of_a_metric"), || {
            RandomMetricSource::new("volts")
        }),
        source("TestingSource", (OF_TESTS, "the_source_of_tests"), || {
            TestingSource::new([1])
        }),
        source(
            "StdInSource",
            (
                "bytewax-connectors/src/stdio/input.rs",
                "standard_input_keeps_its_promises",
            ),
            StdInSource::new,
        ),
    ]
}

fn sinks() -> Vec<SinkOf> {
    let text = || String::new();
    let message = || KafkaMessage::new("");
    let kafka = || KafkaSink::new("localhost:9092", "out");
    vec![
        sink(
            "FileSink",
            (KIT, "files_that_are_written_in_flows"),
            text,
            || FileSink::new("out.txt"),
        ),
        sink(
            "DirSink",
            (KIT, "directories_that_are_written_in_flows"),
            || (0_u64, String::new()),
            || DirSink::new("out", 3),
        ),
        sink(
            "CsvSink",
            (KIT, "rows_that_are_written"),
            || (1_u64, 2_u64),
            || CsvSink::new("out.csv"),
        ),
        sink(
            "JsonLinesSink",
            (KIT, "values_that_are_written"),
            text,
            || JsonLinesSink::new("out.jsonl"),
        ),
        sink(
            "KafkaSink",
            (
                "kafka-tests/tests/real/transactions.rs",
                "a_kill_between_prepare_and_commit",
            ),
            message,
            kafka,
        ),
        sink(
            "KafkaSink::append",
            (
                "kafka-tests/tests/mock/sink.rs",
                "nothing_is_lost_in_flows_that_are_killed",
            ),
            message,
            move || kafka().append(),
        ),
        sink(
            "StdOutSink",
            (STDIO, "standard_output_keeps_its_promise"),
            text,
            StdOutSink::new,
        ),
        sink(
            "StdErrSink",
            (STDIO, "standard_error_keeps_its_promise"),
            text,
            StdErrSink::new,
        ),
        sink(
            "TestingSink",
            (OF_TESTS, "a_dynamic_sink_is_not_exactly_once_by_itself"),
            text,
            TestingSink::new,
        ),
    ]
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()))
}

/// A flow of one source and one sink.
fn flow(source: &SourceOf, sink: &SinkOf) -> Dataflow {
    let flow = Dataflow::build("f", |flow| (sink.add)((source.add)(flow)));
    flow.check().expect("it is a flow");
    flow
}

/// What each source promises with each sink.
fn paths(sources: &[SourceOf], sinks: &[SinkOf]) -> String {
    let names: Vec<String> = sinks.iter().map(|it| format!("`{}`", it.name)).collect();
    let mut table = format!(
        "| | {} |\n|{}\n",
        names.join(" | "),
        " --- |".repeat(sinks.len() + 1)
    );
    for source in sources {
        let promised = sinks.iter().map(|sink| {
            let paths = flow(source, sink).paths();
            let [path] = &paths[..] else {
                panic!("one path: {paths:?}");
            };
            path.delivery.to_string()
        });
        let promised: Vec<String> = promised.collect();
        let _ = writeln!(table, "| `{}` | {} |", source.name, promised.join(" | "));
    }
    table
}

/// What each connector declares, and the test of it.
fn connectors(sources: &[SourceOf], sinks: &[SinkOf]) -> String {
    let mut table = "| connector | is | test |\n| --- | --- | --- |\n".to_owned();
    let mut row = |name: &str, (file, test): (&str, &str), flow: &Dataflow, step: &str| {
        let text = read(&root().join(file));
        assert!(
            text.contains(&format!("fn {test}()")),
            "`{file}` has no test `{test}`"
        );
        let steps = flow.steps();
        let step = steps.iter().find(|it| it.id.as_str() == step);
        let promise = step.and_then(|step| step.promise).expect("it declares one");
        let _ = writeln!(table, "| `{name}` | {promise} | `{test}` in `{file}` |");
    };
    for source in sources {
        row(
            source.name,
            source.test,
            &flow(source, &sinks[0]),
            "f.source",
        );
    }
    for sink in sinks {
        row(sink.name, sink.test, &flow(&sources[0], sink), "f.sink");
    }
    table
}

/// The text with a table between two marks.
fn with_table(text: &str, mark: &str, table: &str) -> String {
    let begin = format!("<!-- {mark} -->\n");
    let (before, rest) = text.split_once(&begin).expect("the chapter has the mark");
    let (_, after) = rest.split_once("<!-- end -->").expect("the table ends");
    format!("{before}{begin}{table}<!-- end -->{after}")
}

#[test]
fn the_tables_are_what_the_code_says() {
    let path = root().join("docs/guide/src/delivery.md");
    let text = read(&path);
    let (sources, sinks) = (sources(), sinks());
    let new = with_table(&text, "paths", &paths(&sources, &sinks));
    let new = with_table(&new, "connectors", &connectors(&sources, &sinks));
    if std::env::var_os("WRITE").is_some() {
        fs::write(&path, &new).expect("the chapter can be written");
    }
    assert_eq!(
        read(&path),
        new,
        "run it with `WRITE=1`, and read the difference"
    );
}

/// The types of sources and sinks that a folder declares.
fn declared(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder of connectors") {
        let path = entry.expect("an entry of the folder").path();
        if path.is_dir() {
            declared(&path, names);
            continue;
        }
        for line in read(&path).lines() {
            let Some(rest) = line.strip_prefix("pub struct ") else {
                continue;
            };
            let is_letter = |c: char| c.is_alphanumeric();
            let name: String = rest.chars().take_while(|c| is_letter(*c)).collect();
            if name.ends_with("Source") || name.ends_with("Sink") {
                names.insert(name);
            }
        }
    }
}

#[test]
fn the_tables_have_all_sources_and_sinks() {
    let mut names = BTreeSet::new();
    declared(&root().join("bytewax-connectors/src"), &mut names);
    assert!(names.len() > 10, "{names:?}");
    let sources = sources();
    let sinks = sinks();
    let listed = sources.iter().map(|it| it.name);
    let listed: BTreeSet<&str> = listed.chain(sinks.iter().map(|it| it.name)).collect();
    let missing: Vec<_> = names
        .iter()
        .filter(|name| !listed.contains(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "not in the chapter: {missing:?}");
}
