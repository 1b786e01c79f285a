//! The one line of JSON that each run prints.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a run has done and how long it took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The program.
    #[serde(rename = "impl")]
    pub implementation: String,
    /// The work.
    pub workload: String,
    /// Worker threads.
    pub workers: usize,
    /// Inputs; for w1, words.
    pub items: u64,
    /// Wall time inside the process, from before the program was built to after its threads ended.
    pub secs: f64,
    /// Items per second.
    pub rate: f64,
    /// The sum over the output.
    pub check: String,
    /// The most memory that the process has had resident, in MiB; none where the system does not tell.
    pub peak_mib: Option<f64>,
}

impl Report {
    /// Reports a run that has just ended in this process.
    pub fn new(
        [workload, implementation]: [String; 2],
        workers: usize,
        items: u64,
        took: Duration,
        check: String,
    ) -> Self {
        let secs = took.as_secs_f64();
        Report {
            implementation,
            workload,
            workers,
            items,
            secs: round(secs, 1e6),
            rate: (items as f64 / secs).round(),
            check,
            peak_mib: peak_mib().map(|mib| round(mib, 10.0)),
        }
    }
}

/// The line of JSON.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

fn round(x: f64, steps: f64) -> f64 {
    (x * steps).round() / steps
}

/// The high-water mark that Linux keeps for this program. It begins anew with each program that a
/// process executes, so it has nothing of the parent's in it.
pub fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = kib.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kib / 1024.0)
}
