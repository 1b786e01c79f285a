use std::io::Write;
use std::time::Duration;

use clap::Parser;

use super::*;
#[cfg(feature = "recovery")]
use crate::backup::FileSystemBackup;
use crate::execution::RunArgs;
#[cfg(feature = "recovery")]
use crate::kit::{ResumePolicy, SnapshotMode};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    run: RunArgs,
}

/// What flags and environment, both as words, add up to. `FILE` in a value is the path of a file
/// with the addresses `a:1` and `b:2`.
fn config(flags: &str, env: &str) -> Result<RunConfig, String> {
    let mut hosts = tempfile::NamedTempFile::new().unwrap();
    write!(hosts, "a:1\n\n  b:2  \n").unwrap();
    let path = hosts.path().to_str().unwrap();
    let cli = Cli::try_parse_from(std::iter::once("program").chain(flags.split_whitespace()))
        .map_err(|error| error.to_string())?;
    let variable = |name: &str| {
        let mut variables = env
            .split(", ")
            .filter_map(|variable| variable.split_once('='));
        variables
            .find(|(n, _)| *n == name)
            .map(|(_, value)| value.replace("FILE", path))
    };
    cli.run.flags().config(&variable).map_err(|error| {
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    })
}

fn member(index: usize, addresses: &[&str]) -> Placement {
    Placement::Member(Peers {
        index,
        addresses: addresses.iter().map(ToString::to_string).collect(),
    })
}

const POD: &str = "BYTEWAX_POD_NAME=stateful_set-0, BYTEWAX_STATEFULSET_NAME=stateful_set";

#[test]
fn where_the_workers_are() {
    let spawned = |processes| Placement::Spawned { processes };
    let here = || Placement::Here;
    let pod_and_file = format!("{POD}, BYTEWAX_HOSTFILE_PATH=FILE");
    let cases = [
        ("", "", here()),
        ("-w 4", "", here()),
        ("-p 1", "", here()),
        ("-p 2", "", spawned(2)),
        // One address without an id is a cluster of this process.
        ("-a localhost:2101", "", here()),
        ("-a localhost:2101 -i 0", "", here()),
        ("-a a:1;b:2 -i 0", "", member(0, &["a:1", "b:2"])),
        ("-a a:1;b:2 -i 1", "", member(1, &["a:1", "b:2"])),
        (
            "-i 1",
            "BYTEWAX_HOSTFILE_PATH=FILE",
            member(1, &["a:1", "b:2"]),
        ),
        // The file is asked for only when there is an id.
        ("", "BYTEWAX_HOSTFILE_PATH=/nowhere", here()),
        (
            "-a a:1;b:2;c:3 -i 2",
            "BYTEWAX_HOSTFILE_PATH=FILE",
            member(2, &["a:1", "b:2", "c:3"]),
        ),
        ("", &pod_and_file, member(0, &["a:1", "b:2"])),
        ("-i 1", &pod_and_file, member(1, &["a:1", "b:2"])),
        ("-a a:1;c:2", POD, member(0, &["a:1", "c:2"])),
        ("", "BYTEWAX_POD_NAME=stateful_set-0", here()),
        ("", "BYTEWAX_STATEFULSET_NAME=stateful_set", here()),
        ("-p 2", &pod_and_file, spawned(2)),
    ];
    for (flags, env, expected) in cases {
        let config = config(flags, env).unwrap_or_else(|error| panic!("{flags} / {env}: {error}"));
        assert_eq!(config.placement, expected, "{flags} / {env}");
    }
}

#[test]
fn what_does_not_fit_together_is_a_usage_error() {
    let cases = [
        (
            "-p 2 -a a:1",
            "",
            "`--processes` (BYTEWAX_PROCESSES) cannot be used with `--addresses`",
        ),
        (
            "-p 2 -i 0",
            "",
            "`--processes` (BYTEWAX_PROCESSES) cannot be used with `--process-id`",
        ),
        ("-p 1 -a a:1;b:2 -i 0", "", "omit one of the two"),
        (
            "-a a:1;b:2 -i 2",
            "",
            "`--process-id` is 2, but `--addresses` names 2 processes",
        ),
        (
            "-a a:1 -i 1",
            "",
            "names 1 process; the first id is 0 and the last is 0",
        ),
        (
            "-i 0",
            "",
            "`--process-id` is given without `--addresses` (BYTEWAX_ADDRESSES); give",
        ),
        ("", POD, "`--process-id` is given without `--addresses`"),
        (
            "-a a:1;b:2",
            "",
            "give `--process-id` (BYTEWAX_PROCESS_ID), from 0 to 1",
        ),
        ("-i 2", "BYTEWAX_HOSTFILE_PATH=FILE", "`--process-id` is 2"),
        (
            "-i 0",
            "BYTEWAX_HOSTFILE_PATH=/nowhere",
            "cannot read `/nowhere`",
        ),
        (
            "-i 0",
            "BYTEWAX_HOSTFILE_PATH=/dev/null",
            "has no addresses; write `host:port`",
        ),
        (
            "-i 0",
            "BYTEWAX_HOSTFILE_PATH=/etc/passwd",
            "in `/etc/passwd`",
        ),
        (
            "",
            "BYTEWAX_POD_NAME=other-0, BYTEWAX_STATEFULSET_NAME=set",
            "BYTEWAX_POD_NAME is `other-0`, which is not `set-`",
        ),
        (
            "",
            "BYTEWAX_POD_NAME=set-x, BYTEWAX_STATEFULSET_NAME=set",
            "mend the variables, or give `--process-id`",
        ),
    ];
    for (flags, env, expected) in cases {
        let error = config(flags, env).unwrap_err();
        assert!(error.starts_with("error: "), "{flags} / {env}: {error}");
        assert!(
            error.contains(expected),
            "{flags} / {env}\nexpected {expected}\nfound {error}"
        );
    }
}

#[test]
fn the_flags_reach_the_configuration() {
    let shown = |config: RunConfig| format!("{config:?}");
    let default = config("", "").unwrap();
    assert_eq!(shown(default), shown(RunConfig::new()));

    let alone = config("-w 3 -s 0", "").unwrap();
    let expected = RunConfig::new().workers(3).epoch_interval(Duration::ZERO);
    assert_eq!(shown(alone), shown(expected));

    let flags = "-w 3 -a a:1;b:2 -i 1 --connect-timeout 7 --peer-timeout 8 --stop-timeout 5";
    let one_of_two = config(flags, "").unwrap();
    let expected = RunConfig::new()
        .workers(3)
        .process(1, ["a:1".to_owned(), "b:2".to_owned()])
        .connect_timeout(Duration::from_secs(7))
        .peer_timeout(Duration::from_secs(8))
        .stop_timeout(Duration::from_secs(5));
    assert_eq!(shown(one_of_two), shown(expected));
}

#[cfg(feature = "recovery")]
#[test]
fn where_state_is_kept() {
    let kept = |flags: &str| {
        let recovery = config(flags, "").unwrap().recovery;
        recovery.map(|config| format!("{config:?}"))
    };
    let store = |dir: &str| RecoveryConfig::new(dir);
    let local = |backup: &str| store("LOCAL").backup(FileSystemBackup::new(backup));
    let cases = [
        ("", None),
        ("-r DIR -r MORE", Some(store("DIR").dir("MORE"))),
        (
            "-r DIR --backup-interval 7",
            Some(store("DIR").backup_interval(Duration::from_secs(7))),
        ),
        (
            "-r DIR --snapshot-mode immediate",
            Some(store("DIR").snapshot_mode(SnapshotMode::Immediate)),
        ),
        (
            "-r DIR --resume require",
            Some(store("DIR").resume(ResumePolicy::Require)),
        ),
        ("-r DIR --snapshot-mode batch", Some(store("DIR"))),
        ("-d LOCAL", Some(local("backup"))),
        ("-d LOCAL -b /else/where", Some(local("/else/where"))),
        ("-d LOCAL -b file:///else/where", Some(local("/else/where"))),
    ];
    for (flags, expected) in cases {
        let expected = expected.map(|config| format!("{config:?}"));
        assert_eq!(kept(flags), expected, "{flags}");
    }
}

#[cfg(feature = "recovery")]
#[test]
fn places_of_state_that_exclude_each_other_are_usage_errors() {
    let cases = [
        (
            "-d LOCAL -r DIR",
            "`--local-state` (BYTEWAX_LOCAL_STATE) cannot be used with `--recovery-directory`",
        ),
        (
            "-b BACKUP",
            "`--backup` (BYTEWAX_BACKUP) is given without `--local-state`",
        ),
        (
            "--resume=require",
            "`--resume=require` (BYTEWAX_RESUME) is given without `--recovery-directory`",
        ),
        (
            "-r DIR -b BACKUP",
            "`--backup` (BYTEWAX_BACKUP) cannot be used with `--recovery-directory`",
        ),
        ("-d LOCAL -b file://", "the name of the directory is empty"),
        (
            "-d LOCAL -b moon://crater",
            "`--backup`: `moon://crater` is no",
        ),
    ];
    for (flags, expected) in cases {
        let error = config(flags, "").unwrap_err();
        assert!(error.contains(expected), "{flags}\n{error}");
    }
}

#[cfg(not(feature = "recovery"))]
#[test]
fn state_that_would_not_be_kept_is_refused() {
    for flags in ["-r DIR", "-d LOCAL", "-b BACKUP"] {
        let error = config(flags, "").unwrap_err();
        let expected = "the program was built without the feature `recovery`";
        assert!(error.contains(expected), "{flags}\n{error}");
    }
    assert!(config("--state-memory 1MiB", "").is_ok());
}

/// Runs as one process of a cluster on other machines, of which none is there.
fn run_abroad(flags: &str, env: &str) -> Result<(), String> {
    use crate::prelude::*;
    use crate::testing::{TestingSink, TestingSource};

    let flags = format!("-i 1 -a 127.0.0.1:1;host.invalid:2 --connect-timeout 0 {flags}");
    let config = config(&flags, env)?;
    let flow = Dataflow::build("f", |flow| {
        let numbers = flow.input(TestingSource::new([1])).named("numbers");
        numbers.output(TestingSink::new()).named("out");
    });
    config.run(flow).map_err(|error| error.report())
}

#[test]
fn other_machines_need_a_secret_or_a_permission() {
    let error = run_abroad("", "").unwrap_err();
    for part in ["`host.invalid:2`", "BYTEWAX_CLUSTER_SECRET", "`--insecure`"] {
        assert!(error.contains(part), "{error}");
    }
    // With a permission, the next thing that is missing is the address.
    for flags in ["--insecure", "--insecure=true"] {
        let error = run_abroad(flags, "").unwrap_err();
        assert!(error.contains("cannot listen on its address"), "{error}");
    }
    assert!(
        run_abroad("--insecure=false", "")
            .unwrap_err()
            .contains("`--insecure`")
    );
}

#[test]
fn a_secret_is_read_from_the_environment_or_a_file_and_never_shown() {
    let secret = "0123456789abcdef".repeat(4);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{secret}").unwrap();
    let flag = format!("--cluster-secret-file {}", file.path().display());
    let variable = format!("BYTEWAX_CLUSTER_SECRET={secret}");
    for (flags, env) in [(flag.as_str(), ""), ("", variable.as_str())] {
        let error = run_abroad(flags, env).unwrap_err();
        assert!(!error.contains(&secret), "{error}");
        match cfg!(feature = "encryption") {
            true => assert!(error.contains("cannot listen on its address"), "{error}"),
            false => assert!(
                error.contains("without the feature `encryption`"),
                "{error}"
            ),
        }
    }
    for (flags, env, told) in [
        (
            "",
            "BYTEWAX_CLUSTER_SECRET=short-secret",
            "BYTEWAX_CLUSTER_SECRET",
        ),
        (
            "--cluster-secret-file /none/there",
            "",
            "cannot read `/none/there`",
        ),
    ] {
        let error = config(flags, env).unwrap_err();
        assert!(error.contains(told), "{error}");
        assert!(!error.contains("short-secret"), "{error}");
    }
}
