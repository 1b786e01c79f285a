//! What is found in environments.

use clap::Parser;

use super::*;
use crate::recovery::init;

#[derive(Parser)]
struct Check {
    #[command(flatten)]
    args: CheckArgs,
}

/// Checks these options in this directory, with these variables.
fn check_in(directory: &Path, line: &str, variables: &[(&str, &str)]) -> Outcome {
    let words = std::iter::once("check").chain(line.split_whitespace());
    let args = Check::try_parse_from(words).unwrap().args;
    args.check(&World {
        variables: variables
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect(),
        env: &|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        },
        resolve: &|address| match address.strip_prefix("gone") {
            Some(_) => Err(io::Error::new(io::ErrorKind::NotFound, "no such host")),
            None => Ok(vec![SocketAddr::from(([10, 0, 0, 7], 2101))]),
        },
        directory: directory.to_owned(),
        version: "0.1.0",
    })
}

/// The faults, without those of others.
fn faults(outcome: &Outcome) -> Vec<&str> {
    let lines = outcome.text.lines();
    lines
        .filter_map(|line| line.strip_prefix("FAULT   "))
        .collect()
}

#[test]
fn an_environment_without_settings_is_fine() {
    let dir = tempfile::tempdir().unwrap();
    let outcome = check_in(dir.path(), "", &[("HOME", "/root")]);
    assert!(outcome.problem.is_none());
    assert_eq!(
        outcome.text,
        "ok      version      bytewax 0.1.0\n\
         ok      cluster      one process\n\
         ok      store        none: a run starts without saved state, and saves none\n"
    );
}

#[test]
fn a_variable_that_nothing_reads_is_a_fault() {
    let dir = tempfile::tempdir().unwrap();
    let variables = [
        ("BYTEWAX_ADRESSES", "a:1"),
        ("BYTEWAX_CLUSTER_SECRET", &"0a".repeat(32)),
        ("BYTEWAX_METRICS", "127.0.0.1:1"),
        ("BYTEWAX_KAFKA_BROKERS", "b:1"),
    ];
    let outcome = check_in(dir.path(), "", &variables);
    assert_eq!(
        faults(&outcome),
        [
            "variables    nothing reads BYTEWAX_ADRESSES; did you mean BYTEWAX_ADDRESSES?",
            "variables    nothing reads BYTEWAX_KAFKA_BROKERS",
        ]
    );
    let problem = outcome.problem.unwrap().to_string();
    assert_eq!(problem, "2 faults found in the environment");
}

#[test]
fn addresses_resolve_are_free_and_are_protected() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = taken.local_addr().unwrap();
    let line = format!("-i 1 -a gone:1;{own};flow-2.flows:2101 --metrics {own}");
    let outcome = check_in(dir.path(), &line, &[]);
    let found = faults(&outcome);
    let starts = [
        "secret       the cluster has processes on other machines (`gone:1`)",
        "addresses    the name in `gone:1` (process 0) is unknown: no such host",
        &format!("addresses    this process cannot listen at `{own}`: "),
        &format!("--metrics    this process cannot listen at `{own}`: "),
    ];
    assert_eq!(found.len(), starts.len(), "{found:?}");
    for (fault, start) in found.iter().zip(starts) {
        assert!(fault.starts_with(start), "{fault}");
    }
    assert!(
        outcome
            .text
            .contains("ok      addresses    `flow-2.flows:2101` is 10.0.0.7:2101\n")
    );
    drop(taken);
    let outcome = check_in(
        dir.path(),
        &line.replace("gone", "flow-0"),
        &[("BYTEWAX_CLUSTER_SECRET", &"0a".repeat(32))],
    );
    assert_eq!(faults(&outcome), [] as [&str; 0], "{}", outcome.text);
    let outcome = check_in(dir.path(), "-i 7 -a a:1", &[]);
    assert!(
        faults(&outcome)[0].contains("`--process-id` is 7"),
        "{}",
        outcome.text
    );
}

#[test]
fn stores_are_there_sound_and_writable() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let line = format!("-r {}", state.display());
    let outcome = check_in(dir.path(), &line, &[]);
    assert!(
        faults(&outcome)[0].contains("state` is not a directory; create it"),
        "{}",
        outcome.text
    );
    fs::create_dir(&state).unwrap();
    let outcome = check_in(dir.path(), &line, &[]);
    assert!(
        outcome
            .text
            .contains("empty; the first run creates the store"),
        "{}",
        outcome.text
    );
    init(&state, 2, "sums").unwrap();
    let outcome = check_in(dir.path(), &line, &[]);
    assert!(
        outcome.text.contains("flow `sums` resumes at epoch 1"),
        "{}",
        outcome.text
    );
    let files = || {
        fs::read_dir(&state)
            .unwrap()
            .map(|file| file.unwrap().path())
    };
    let before = files().count();
    let part = files().find(|file| file.extension().is_some_and(|it| it == "sqlite3"));
    let part = part.unwrap();
    fs::write(&part, "damaged").unwrap();
    let outcome = check_in(dir.path(), &line, &[]);
    assert_eq!(faults(&outcome).len(), 1, "{}", outcome.text);
    assert_eq!(files().count(), before, "nothing is left behind");
    let outcome = check_in(dir.path(), &format!("{line} -b backup"), &[]);
    assert!(
        faults(&outcome)[0].contains("`--backup`"),
        "{}",
        outcome.text
    );
}

#[test]
fn versions_and_the_lock_file_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    let lock = |version| {
        let text = format!("[[package]]\nname = \"bytewax\"\nversion = \"{version}\"\n");
        fs::write(dir.path().join("Cargo.lock"), text).unwrap();
    };
    lock("0.1.0");
    assert!(check_in(dir.path(), "", &[]).problem.is_none());
    lock("0.2.0");
    fs::write(dir.path().join("dataflow.lock"), "no lock").unwrap();
    let outcome = check_in(dir.path(), "", &[]);
    let found = faults(&outcome);
    assert!(
        found[0].contains("builds the program with bytewax 0.2.0"),
        "{found:?}"
    );
    assert!(
        found[1].contains("dataflow.lock` cannot be read"),
        "{found:?}"
    );
    assert_eq!(found.len(), 2);
}
