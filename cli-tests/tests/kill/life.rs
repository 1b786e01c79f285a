//! One flow from its first run to its end, with all that happens to it in between.

use std::fs;
use std::time::{Duration, Instant};

use cli_tests::{Ended, PATIENCE, Programs, list, listen, signal_if_running};
use tempfile::TempDir;

use super::output::Output;
use super::program::{kill, prepare};
use super::random::Random;
use super::state::State;

/// How long processes may take to end when one of them is killed.
const LIMIT: Duration = Duration::from_secs(30);

/// How fast a flow goes.
#[derive(Clone, Copy)]
enum Pace {
    /// So that it is seldom at its end before it is killed; with an epoch for each poll it is slow.
    Any,
    /// To its end.
    Fast,
}

/// A flow that is run again and again, and goes on each time.
pub(crate) struct Life {
    directory: TempDir,
    state: State,
    /// How much has been written at the most, before a crash or since.
    most: u64,
}

impl Life {
    pub(crate) fn begin(random: &mut Random) -> Self {
        let directory = tempfile::tempdir().unwrap();
        prepare(directory.path());
        let state = State::begin(directory.path(), random);
        Self {
            directory,
            state,
            most: 0,
        }
    }

    pub(crate) fn output(&self) -> Output {
        Output::of(&self.directory.path().join("out"))
    }

    /// How much has been written at the most, of what comes all the time.
    pub(crate) fn most(&self) -> u64 {
        self.most
    }

    fn written(&self) -> u64 {
        let file = self.directory.path().join("out/mixed");
        fs::metadata(file).map_or(0, |file| file.len())
    }

    /// Starts the flow in one process, in some that one starts, or in some that are started here, each
    /// as on a machine of its own.
    fn start(&self, pace: Pace, random: &mut Random) -> Programs {
        let (epoch, batch) = match pace {
            Pace::Any => (
                random.one_of(&["-s 0", "--epoch-millis 5", "--epoch-millis 20"]),
                random.one_of(&[7, 20, 50]),
            ),
            Pace::Fast => ("--epoch-millis 50", 50),
        };
        let workers = random.few();
        let kept = random.one_of(&["0", "1", "3600"]);
        let mode = random.one_of(&["batch", "immediate"]);
        let memory = random.one_of(&["", "--state-memory 1", "--state-memory 20000"]);
        let args = format!(
            "{epoch} --backup-interval {kept} --snapshot-mode {mode} {memory} --batch {batch} \
             --pace-millis 4 -w {workers}"
        );
        let (kind, count) = (random.below(3), random.few());
        let mut programs = Programs::new();
        let mut start = |machine: usize, more: &str| {
            let mut command = kill(self.directory.path(), &format!("{args} {more}"));
            command.args(self.state.flags(machine));
            programs.start(command);
        };
        match kind {
            0 => start(0, ""),
            1 => start(0, &format!("-p {count}")),
            _ => {
                let held: Vec<_> = (0..count).map(|_| listen()).collect();
                let addresses: Vec<_> = held.iter().map(|(_, address)| *address).collect();
                drop(held);
                let addresses = list(&addresses);
                for process in 0..count {
                    // One that is killed before the others know it is waited for.
                    let place = format!("-i {process} -a {addresses} --connect-timeout 6");
                    start(process, &place);
                }
            }
        }
        programs
    }

    /// Runs the flow until it is killed; false if it has come to its end before.
    pub(crate) fn round(&mut self, random: &mut Random) -> bool {
        if self.most > 0 {
            self.state.change(self.directory.path(), random);
        }
        loop {
            let mut programs = self.start(Pace::Any, random);
            let hit = self.wait(&mut programs, random) && strike(&programs, random);
            // If another program has taken a port, nothing has run.
            if let Ok(ended) = programs.all_ended(LIMIT) {
                self.most = self.most.max(self.written());
                return killed(&ended, hit);
            }
        }
    }

    /// Lets programs run for a while, also until they do what they have not done before; false if one
    /// of them has ended.
    fn wait(&self, programs: &mut Programs, random: &mut Random) -> bool {
        if random.below(3) == 0 {
            return programs.run_for(random.time_up_to(500));
        }
        let (mut seen, mut since) = (0, Instant::now());
        while seen <= self.most {
            assert!(since.elapsed() < PATIENCE, "nothing is written");
            if !programs.run_for(Duration::from_millis(1)) {
                return false;
            }
            // What was written in epochs that were not saved is written again first.
            if self.written() != seen {
                (seen, since) = (self.written(), Instant::now());
            }
        }
        programs.run_for(random.time_up_to(200))
    }

    /// Lets the flow come to its end.
    pub(crate) fn finish(&self, random: &mut Random) {
        loop {
            if let Ok(ended) = self.start(Pace::Fast, random).all_ended(3 * PATIENCE) {
                assert!(!killed(&ended, false));
                return;
            }
        }
    }
}

/// Ends all processes at once, or one of them; mostly without a warning. False if there is none any
/// more.
fn strike(programs: &Programs, random: &mut Random) -> bool {
    let name = random.one_of(&["-KILL", "-KILL", "-KILL", "-KILL", "-TERM", "-INT"]);
    let ids: Vec<u32> = (0..programs.count())
        .flat_map(|program| programs.out(program))
        .filter_map(|line| line.strip_prefix("process ")?.parse().ok())
        .collect();
    if ids.is_empty() || random.below(2) == 0 {
        for program in 0..programs.count() {
            programs.signal_all(program, name);
        }
        return true;
    }
    signal_if_running(name, random.one_of(&ids))
}

/// Whether a run has been broken off, and not come to its end by itself. Nothing else can happen to
/// it.
fn killed(ended: &[Ended], hit: bool) -> bool {
    if ended.iter().all(|ended| ended.code == Some(0)) {
        return false;
    }
    let texts: Vec<String> = ended.iter().map(ToString::to_string).collect();
    assert!(hit, "nothing was killed\n{}", texts.join("\n"));
    // The others hear of it, and end with an error, or as they would by the signal themselves.
    for ended in ended {
        let by_signal = matches!(ended.signal, Some(2 | 9 | 15));
        let by_itself = matches!(ended.code, Some(0 | 1 | 130 | 137 | 143));
        assert!(by_signal || by_itself, "{ended}");
    }
    true
}
