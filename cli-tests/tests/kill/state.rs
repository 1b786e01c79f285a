//! Where the state of a flow is, and what happens to it between two runs.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use cli_tests::run;

use super::program::kill;
use super::random::Random;

/// Where the state of a flow is.
pub(crate) enum State {
    /// In a store that outlives the processes; now and then it is made anew with other partitions.
    Store(PathBuf),
    /// In a directory of each machine, which is lost now and then, and in a backup.
    Backup(PathBuf),
}

impl State {
    pub(crate) fn begin(life: &Path, random: &mut Random) -> Self {
        let state = match random.below(2) {
            0 => Self::Store(life.join("store")),
            _ => Self::Backup(life.join("backup")),
        };
        fs::create_dir(state.directory()).unwrap();
        let first = match &state {
            Self::Store(store) => store.clone(),
            Self::Backup(_) => state.local(0),
        };
        // Otherwise it is made when the flow runs, unless that is killed before.
        if random.below(3) > 0 {
            fs::create_dir_all(&first).unwrap();
            recovery(life, "init", &[&first], random.few());
        }
        state
    }

    fn directory(&self) -> &Path {
        match self {
            Self::Store(directory) | Self::Backup(directory) => directory,
        }
    }

    /// The directory of a machine.
    fn local(&self, machine: usize) -> PathBuf {
        self.directory().with_file_name(format!("local-{machine}"))
    }

    /// The flags of a process on a machine.
    pub(crate) fn flags(&self, machine: usize) -> Vec<OsString> {
        match self {
            Self::Store(store) => vec!["-r".into(), store.into()],
            Self::Backup(backup) => {
                let local = self.local(machine);
                vec!["-d".into(), local.into(), "-b".into(), backup.into()]
            }
        }
    }

    /// What happens between two runs, at times.
    pub(crate) fn change(&mut self, life: &Path, random: &mut Random) {
        match self {
            Self::Store(store) if random.below(6) == 0 => {
                let old = store.clone();
                store.set_extension(random.below(u64::MAX).to_string());
                fs::create_dir(&*store).unwrap();
                recovery(life, "repartition", &[&old, store], random.few());
            }
            Self::Store(_) => {}
            Self::Backup(_) => {
                // Some machines are replaced by new ones.
                for machine in 0..4 {
                    let local = self.local(machine);
                    if random.below(4) == 0 && local.exists() {
                        fs::remove_dir_all(local).unwrap();
                    }
                }
            }
        }
    }
}

/// Runs a command on stores; the number of partitions stands behind the first.
fn recovery(life: &Path, what: &str, stores: &[&Path], partitions: usize) {
    let mut command = kill(life, "recovery");
    command.arg(what).arg(stores[0]).arg(partitions.to_string());
    command.args(&stores[1..]);
    run(command).code(0);
}
