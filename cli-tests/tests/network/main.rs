//! Clusters whose network fails: each process is in a network namespace of its own, and the packets between them are
//! delayed, lost or held back. A run ends in the stated way within its time limit, or goes on; and the joined output
//! of all runs is that of a run that nothing has broken.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod image;
mod link;
#[path = "../kill/output.rs"]
mod output;
#[path = "../kill/program.rs"]
mod program;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use cli_tests::{END, Ended, PATIENCE, Programs, signal};
use link::{ADDRESSES, Link};
use output::Output;
use program::{kill, prepare};
use tempfile::TempDir;

/// The silence after which a process is lost, in seconds.
const SILENCE: u64 = 3;

/// How long processes may take to end after a partition: the silence, and what an end takes.
const LIMIT: Duration = Duration::from_secs(SILENCE + END.as_secs());

/// A flow in two processes that have a link between them.
struct Cluster {
    link: Link,
    life: TempDir,
}

impl Cluster {
    fn new(case: &str) -> Self {
        let life = tempfile::tempdir().unwrap();
        prepare(life.path());
        fs::write(life.path().join("secret"), "5a".repeat(32)).unwrap();
        let link = Link::new(case);
        Self { link, life }
    }

    /// Starts both processes, as on two machines that share a disk.
    fn start(&self, args: &str) -> Programs {
        let mut programs = Programs::new();
        for process in 0..2 {
            let program = kill(self.life.path(), "--epoch-millis 50 --batch 20");
            let mut command = self.link.command(process, env!("CARGO_BIN_EXE_kill"));
            command
                .args(program.get_args())
                .args(args.split_whitespace());
            command.args(["-i", &process.to_string(), "-a"]);
            command.arg(ADDRESSES.map(|address| format!("{address}:2101")).join(";"));
            command.arg("-r").arg(self.life.path().join("state"));
            let secret = self.life.path().join("secret");
            command.arg("--cluster-secret-file").arg(secret);
            // Stalls are expected.
            command.env("BYTEWAX_LOG", "error");
            programs.start(command);
        }
        programs
    }

    /// Starts both slowly, and waits until there is some output, and more to come.
    fn started(&self) -> Programs {
        let mut programs = self.start(&format!("--pace-millis 15 --peer-timeout {SILENCE}"));
        let until = Instant::now() + PATIENCE;
        while written(self.life.path()) == 0 {
            assert!(programs.run_for(Duration::from_millis(10)), "it is over");
            assert!(Instant::now() < until, "nothing is written");
        }
        programs
    }

    /// Drops packets, by the process that sends them.
    fn cut(&self, ways: [bool; 2]) {
        for (way, is_cut) in self.link.ways.iter().zip(ways) {
            way.cut(is_cut);
        }
    }

    /// Runs the flow to its end, on a network that works, and checks all output.
    fn resume(&self) {
        let before = Output::of(&self.life.path().join("out")).lines("mixed");
        let all = Output::unbroken().lines("mixed");
        assert!(before < all, "there is nothing left to do");
        self.cut([false; 2]);
        self.finish(self.start(""));
    }

    fn finish(&self, mut programs: Programs) {
        for ended in programs.all_ended(PATIENCE).unwrap() {
            ended.code(0).says("");
        }
        Output::of(&self.life.path().join("out")).check(Output::unbroken());
    }
}

fn written(life: &Path) -> u64 {
    fs::metadata(life.join("out/mixed")).map_or(0, |file| file.len())
}

/// Checks that a process failed because it heard nothing of the other.
#[track_caller]
fn heard_nothing(ended: Ended, other: usize) {
    let text = format!(
        "error: process {other} at `{}:2101` has been silent for {SILENCE} s",
        ADDRESSES[other]
    );
    ended.code(1).says_once(&text);
}

#[test]
#[ignore = "needs network namespaces; see .ci/network"]
fn delay_and_loss_only_slow_a_run_down() {
    let cluster = Cluster::new("slow");
    for way in &cluster.link.ways {
        way.delay(15);
        way.lose_one_of(40);
    }
    let programs = cluster.start(&format!("--peer-timeout {}", 10 * SILENCE));
    cluster.finish(programs);
}

#[test]
#[ignore = "needs network namespaces; see .ci/network"]
fn a_short_partition_only_delays_a_run() {
    let cluster = Cluster::new("short");
    let mut programs = cluster.start("--pace-millis 15 --peer-timeout 30");
    assert!(programs.run_for(Duration::from_millis(1500)), "it is over");
    cluster.cut([true; 2]);
    assert!(programs.run_for(Duration::from_secs(1)), "it is over");
    cluster.cut([false; 2]);
    cluster.finish(programs);
}

#[test]
#[ignore = "needs network namespaces; see .ci/network"]
fn a_partition_ends_both_processes() {
    let cluster = Cluster::new("cut");
    let mut programs = cluster.started();
    cluster.cut([true; 2]);
    let mut ended = programs.all_ended(LIMIT).unwrap();
    heard_nothing(ended.remove(1), 0);
    heard_nothing(ended.remove(0), 1);
    cluster.resume();
}

/// One process hears the other, which does not hear it.
#[test]
#[ignore = "needs network namespaces; see .ci/network"]
fn a_partition_of_one_direction_ends_both_processes() {
    let cluster = Cluster::new("one-way");
    let mut programs = cluster.started();
    cluster.cut([true, false]);
    let mut ended = programs.all_ended(LIMIT).unwrap();
    heard_nothing(ended.remove(1), 0);
    // Without acknowledgements, what the other one sends stops as well, before or after it says why it leaves.
    let ended = ended.remove(0).code(1);
    let start = format!("error: process 1 at `{}:2101` has ", ADDRESSES[1]);
    let why = ["been silent for 3 s", "lost the connection to this process"];
    let is_stated = |why| ended.err.contains(&format!("{start}{why}"));
    assert!(why.iter().any(is_stated), "{ended}");
    cluster.resume();
}

/// A machine is gone, and its end of the connections with it: nothing says so.
#[test]
#[ignore = "needs network namespaces; see .ci/network"]
fn half_open_connections_end_the_process_that_is_left() {
    let cluster = Cluster::new("half");
    let mut programs = cluster.started();
    cluster.cut([true; 2]);
    signal("-KILL", programs.id(1));
    let mut ended = programs.all_ended(LIMIT).unwrap();
    assert_eq!(ended.remove(1).signal, Some(9));
    heard_nothing(ended.remove(0), 1);
    cluster.resume();
}

#[test]
#[ignore = "needs network namespaces; see .ci/network"]
fn a_partition_at_the_start_ends_both_processes() {
    let cluster = Cluster::new("start");
    cluster.cut([true; 2]);
    let mut programs = cluster.start("--connect-timeout 2");
    let limit = Duration::from_secs(2) + END;
    for (process, ended) in programs.all_ended(limit).unwrap().into_iter().enumerate() {
        let other = 1 - process;
        let text = format!(
            "error: process {other} at `{}:2101` did not come up within 2 s",
            ADDRESSES[other]
        );
        ended.code(1).says_once(&text);
    }
    cluster.resume();
}
