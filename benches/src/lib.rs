//! The workloads of the comparison and the programs that run them: see the README of this folder.
//!
//! [`words`], [`chain`], [`keyed`], [`windows`] and [`pairs`] define the work and its input, [`check`] the
//! sums by which two programs are known to have computed the same. The programs themselves are in one module each, so
//! that what differs between them is how the work is driven and not what the work is.

use std::error::Error;
use std::time::Instant;

pub mod bytewax_impl;
pub mod case;
pub mod chain;
pub mod check;
pub mod cluster;
pub mod keyed;
pub mod latency;
pub mod loop_impl;
pub mod mix;
pub mod nexmark;
pub mod pairs;
pub mod recovery;
pub mod report;
pub mod rounds;
pub mod steady;
pub mod tally;
pub mod timely_impl;
pub mod windows;
pub mod words;

use case::{Case, Implementation, Workload};
use report::Report;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The name of the global allocator that this build has.
pub const ALLOCATOR_NAME: &str = if cfg!(feature = "mimalloc") {
    "mimalloc"
} else {
    "the system's"
};

/// The processor time of this process, user and system, in seconds.
pub fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("there is such a file");
    let (_, fields) = stat.rsplit_once(')').expect("the name has parentheses");
    let fields: Vec<&str> = fields.split_whitespace().collect();
    // Fields 14 and 15, of which two are before the parenthesis, in hundredths of a second.
    let ticks = fields[11..13].iter().map(|field| field.parse::<u64>());
    ticks.map(|ticks| ticks.expect("a number")).sum::<u64>() as f64 / 100.0
}

/// Runs one case in this process, all of it: the clock starts before the program builds or opens
/// anything and stops once its threads have ended.
pub fn run(case: &Case) -> Result<Report, Box<dyn Error + Send + Sync>> {
    case.possible()?;
    let start = Instant::now();
    let (items, check) = match (case.workload, case.implementation) {
        (Workload::W1, Implementation::Loop) => {
            loop_impl::words(&case.file, case.workers)?.counted()
        }
        (Workload::W1, Implementation::Timely) => timely_impl::words(case)?.counted(),
        (Workload::W1, Implementation::TimelyCombiner) => {
            timely_impl::words_combined(case)?.counted()
        }
        (Workload::W2, Implementation::Loop) => (
            case.n(),
            loop_impl::chain(case.n(), case.workers).to_string(),
        ),
        (Workload::W2, Implementation::Timely) => (case.n(), timely_impl::chain(case)?.to_string()),
        (Workload::W3, Implementation::Loop) => (case.n(), loop_impl::keyed(case.n()).to_string()),
        (Workload::W3, Implementation::Timely) => (case.n(), timely_impl::keyed(case)?.to_string()),
        (Workload::W1, Implementation::Bytewax) => bytewax_impl::words(case)?.counted(),
        (Workload::W2, Implementation::Bytewax) => {
            (case.n(), bytewax_impl::chain(case)?.to_string())
        }
        (Workload::W3, Implementation::Bytewax) => {
            (case.n(), bytewax_impl::keyed(case)?.to_string())
        }
        (Workload::W4 | Workload::W5, Implementation::Loop) => {
            (case.n(), loop_impl::windows(case).to_string())
        }
        (Workload::W4 | Workload::W5, Implementation::Timely) => {
            (case.n(), timely_impl::windows(case)?.to_string())
        }
        (Workload::W4 | Workload::W5, Implementation::Bytewax) => {
            (case.n(), bytewax_impl::windows(case)?.to_string())
        }
        (Workload::W4 | Workload::W5, Implementation::BytewaxPerKey) => {
            (case.n(), bytewax_impl::windows_per_key(case)?.to_string())
        }
        (Workload::W6, Implementation::Loop) => {
            (2 * case.n(), loop_impl::pairs(case.n()).to_string())
        }
        (Workload::W6, Implementation::Timely) => {
            (2 * case.n(), timely_impl::pairs(case)?.to_string())
        }
        (Workload::W6, Implementation::Bytewax) => {
            (2 * case.n(), bytewax_impl::pairs(case)?.to_string())
        }
        (_, Implementation::TimelyCombiner | Implementation::BytewaxPerKey) => {
            unreachable!("ruled out by Case::possible")
        }
    };
    let names = [case.workload.to_string(), case.implementation.to_string()];
    Ok(Report::new(
        names,
        case.workers,
        items,
        start.elapsed(),
        check,
    ))
}
