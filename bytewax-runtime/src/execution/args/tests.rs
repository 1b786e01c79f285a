use std::path::PathBuf;

use clap::{CommandFactory, Parser};

use super::super::recovery::InitArgs;
use super::*;

// A parser of a user, with names that are also ours. It has no description of its own.
#[derive(Debug, Parser)]
struct Program {
    /// Text file to count.
    file: PathBuf,
    #[arg(long)]
    workers: Option<String>,
    #[command(flatten)]
    run: RunArgs,
}

fn parse(line: &str) -> Result<Program, clap::Error> {
    Program::try_parse_from(line.split_whitespace())
}

#[test]
fn the_definition_is_sound() {
    Program::command().debug_assert();
}

#[test]
fn the_flags_fit_a_parser_of_the_user() {
    let program = parse("wordcount FILE --workers many -w 4").unwrap();
    assert_eq!(program.file.to_str(), Some("FILE"));
    assert_eq!(program.workers.as_deref(), Some("many"));
    assert_eq!(program.run.flags.workers, 4);
    assert_eq!(program.run.flags.processes, None);
    let flags = &program.run.flags;
    assert_eq!(flags.snapshot_interval.0, Duration::from_secs(10));
    assert_eq!(flags.connect_timeout.0, Duration::from_secs(60));
    assert_eq!(flags.peer_timeout.0, Duration::from_secs(60));
    assert_eq!(flags.buffer_memory.0, 256 << 20);
    assert_eq!(program.run.command(), Command::Run);
}

#[test]
fn sizes_have_units() {
    let sizes = [
        ("1", 1),
        ("64MiB", 64 << 20),
        ("2GiB", 2 << 30),
        ("7KiB", 7 << 10),
    ];
    for (size, expected) in sizes {
        let program = parse(&format!("wordcount FILE --buffer-memory {size}")).unwrap();
        assert_eq!(program.run.flags.buffer_memory, Bytes(expected), "{size}");
    }
}

#[test]
fn a_subcommand_follows_the_users_arguments() {
    let graph = |format| Command::Graph { format };
    let cases = [
        ("wordcount FILE", Command::Run),
        ("wordcount FILE run", Command::Run),
        ("wordcount FILE graph", graph(GraphFormat::Mermaid)),
        ("wordcount FILE graph --format dot", graph(GraphFormat::Dot)),
        (
            "wordcount FILE graph --format json",
            graph(GraphFormat::Json),
        ),
        (
            "wordcount FILE -w 4 graph --format mermaid",
            graph(GraphFormat::Mermaid),
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(parse(line).unwrap().run.command(), expected, "{line}");
    }
    let line = "wordcount FILE recovery -w 4 init DIR 7";
    let init = InitArgs {
        dir: "DIR".into(),
        partitions: 7,
    };
    let expected = RecoveryCommand::Init(init);
    let parsed = parse(line).unwrap().run.command();
    assert_eq!(parsed, Command::Recovery { command: expected });
}

#[test]
fn flags_stand_before_or_behind_the_subcommand() {
    let before_and_behind = [
        "wordcount FILE -w 3 -s 0 --connect-timeout 5",
        "wordcount FILE -w 3 run -s 0 --connect-timeout 5",
        "wordcount -w3 FILE run --snapshot-interval=0 --connect-timeout 5",
        "wordcount FILE run -w 3 -s 0 --connect-timeout 5",
    ];
    for line in before_and_behind {
        let flags = parse(line).unwrap().run.flags;
        assert_eq!(flags.workers, 3, "{line}");
        assert_eq!(flags.snapshot_interval.0, Duration::ZERO, "{line}");
        assert_eq!(flags.connect_timeout.0, Duration::from_secs(5), "{line}");
    }
}

#[test]
fn a_value_that_makes_no_sense_is_a_usage_error() {
    let cases = [
        (
            "-w 0",
            "invalid value '0' for '--workers-per-process <N>': give 1 or more",
        ),
        (
            "-w x",
            "invalid value 'x' for '--workers-per-process <N>': give a whole number, 1 or more",
        ),
        (
            "-w -1",
            "invalid value '-1' for '--workers-per-process <N>': give a whole number",
        ),
        (
            "-p 0",
            "invalid value '0' for '--processes <N>': give 1 or more",
        ),
        (
            "-i -1",
            "invalid value '-1' for '--process-id <I>': give a whole number, 0 or more",
        ),
        (
            "-s 1.5",
            "invalid value '1.5' for '--snapshot-interval <SECONDS>': give whole seconds",
        ),
        (
            "-s -1",
            "invalid value '-1' for '--snapshot-interval <SECONDS>': give whole seconds",
        ),
        (
            "-s -0.5",
            "invalid value '-0.5' for '--snapshot-interval <SECONDS>': give whole seconds",
        ),
        (
            "--connect-timeout 1m",
            "invalid value '1m' for '--connect-timeout <SECONDS>'",
        ),
        (
            "--peer-timeout 2",
            "invalid value '2' for '--peer-timeout <SECONDS>': give 3 seconds or more, because a process sends a \
             heartbeat every second",
        ),
        (
            "--buffer-memory 0",
            "invalid value '0' for '--buffer-memory <BYTES>': give 1 byte or more",
        ),
        (
            "--buffer-memory 64MB",
            "invalid value '64MB' for '--buffer-memory <BYTES>': give a number of bytes",
        ),
        (
            "-a localhost",
            "'--addresses <LIST>': `localhost` has no port; write `localhost:2101`",
        ),
        (
            "-a= -i 0",
            "'--addresses <LIST>': an address is empty; give `host:port`",
        ),
        ("-a a:1;;b:2", "an address is empty"),
        ("-a a:1;", "an address is empty"),
        ("-a :2101", "`:2101` has no host; write `localhost:2101`"),
        (
            "-a a:b",
            "`b` in `a:b` is not a port; give a number from 1 to 65535",
        ),
        ("-a a:", "`` in `a:` is not a port"),
        ("-a a:0", "`0` in `a:0` is not a port"),
        ("-a a:65536", "`65536` in `a:65536` is not a port"),
        ("-a a:1,b:2", "`a:1,b:2` has several `:`"),
        (
            "-a ::1:2101",
            "`::1:2101` has several `:`; write an IPv6 address in brackets",
        ),
        ("-a a:1;b:2;a:1", "`a:1` is there twice"),
        (
            "graph --format svg",
            "invalid value 'svg' for '--format <FORMAT>'",
        ),
        (
            "recovery",
            "Create, inspect, verify and change recovery stores",
        ),
        (
            "recovery init DIR x",
            "invalid value 'x' for '<N>': invalid digit found in string",
        ),
        ("recovery drop-step DIR", "--step <ID>"),
        (
            "recovery dump DIR --step f.s --key 1 --key-bytes 01",
            "cannot be used with",
        ),
    ];
    for (flags, expected) in cases {
        let error = parse(&format!("wordcount FILE {flags}")).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{flags}");
        let text = error.to_string();
        assert!(
            text.contains(expected),
            "{flags}\nexpected {expected}\nfound {text}"
        );
    }
}

#[test]
fn addresses_are_names_ipv4_or_ipv6_with_a_port() {
    let addresses: Addresses = "localhost:1; 10.0.0.7:2101 ;[::1]:65535".parse().unwrap();
    assert_eq!(
        addresses.as_slice(),
        ["localhost:1", "10.0.0.7:2101", "[::1]:65535"]
    );
}

#[test]
fn help_names_the_variables_and_leaves_the_program_its_description() {
    let bare = Program::command().render_long_help().to_string();
    assert!(bare.starts_with("Usage: "), "{bare}");
    for variable in [
        "BYTEWAX_WORKERS_PER_PROCESS",
        "BYTEWAX_PROCESSES",
        "BYTEWAX_PROCESS_ID",
        "BYTEWAX_ADDRESSES",
        "BYTEWAX_SNAPSHOT_INTERVAL",
        "BYTEWAX_LOCAL_STATE",
        "BYTEWAX_BACKUP",
        "BYTEWAX_BUFFER_MEMORY",
        "BYTEWAX_METRICS",
        "BYTEWAX_SNAPSHOT_MODE",
        "BYTEWAX_CONNECT_TIMEOUT",
        "BYTEWAX_PEER_TIMEOUT",
    ] {
        assert!(
            bare.contains(&format!("[env: {variable}=")),
            "{variable} in {bare}"
        );
    }
}

#[test]
fn the_table_of_the_docs_has_each_flag_with_its_variable_and_its_default() {
    let docs = include_str!("../args.rs");
    let command = Program::command();
    let flags = command
        .get_arguments()
        .filter_map(|arg| Some((arg, arg.get_env()?)));
    let mut count = 0;
    for (arg, variable) in flags {
        let name = format!("--{} ", arg.get_long().unwrap());
        let row = docs
            .lines()
            .find(|line| line.starts_with("/// | `-") && line.contains(&name));
        let row = row.unwrap_or_else(|| panic!("no row has `{name}`"));
        let cells: Vec<&str> = row
            .split(" | ")
            .map(|cell| cell.trim_matches('`'))
            .collect();
        assert_eq!(cells[2], variable, "{row}");
        for default in arg.get_default_values() {
            assert_eq!(cells[3], default, "{row}");
        }
        count += 1;
    }
    assert_eq!(count, 25);
}
