//! What encryption and strangers cost two processes: see the README of this folder.

use std::error::Error;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytewax::testing::RunConfig;
use bytewax_benches::bytewax_impl::keyed_in;
use bytewax_benches::case::{Case, Implementation, Workload, number};
use bytewax_benches::cluster::addresses;
use bytewax_benches::processor_seconds;
use clap::Parser;

#[derive(Debug, Parser)]
struct Arguments {
    /// Events of w3.
    #[arg(long, default_value_t = 60_000_000, value_parser = number)]
    n: u64,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How many strangers connect while a cluster runs, one after the other.
    #[arg(long, default_value_t = 10_000)]
    strangers: u32,
    /// The milliseconds within which they come.
    #[arg(long, default_value_t = 8000)]
    within: u64,
    /// Runs one process of a cluster: its number, and the addresses of both.
    #[arg(long, hide = true, num_args = 3)]
    process: Vec<String>,
    #[arg(long, hide = true)]
    sealed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plain,
    Sealed,
    /// Sealed, while strangers connect.
    Strangers,
}

const WAYS: [Way; 3] = [Way::Plain, Way::Sealed, Way::Strangers];

/// The secret of the measured clusters.
const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    if let [process, addresses @ ..] = &arguments.process[..] {
        return member(&arguments, process.parse()?, addresses);
    }
    let mut times = [const { Vec::new() }; WAYS.len()];
    let mut right = None;
    for round in 0..arguments.rounds.max(1) {
        for (at, way) in WAYS.into_iter().enumerate() {
            let (seconds, processor, check) = cluster(&arguments, way)?;
            if *right.get_or_insert_with(|| check.clone()) != check {
                return Err(format!("{way:?} computed {check}").into());
            }
            let rate = arguments.n as f64 / seconds / 1e6;
            println!(
                "round {round}, {way:?}: {rate:.1} M events/s, {processor:.2} s of processor time"
            );
            times[at].push((seconds, processor));
        }
    }
    let [plain, sealed, strangers] = &times;
    let ratio = |of: &[(f64, f64)], to: &[(f64, f64)], by: fn(&(f64, f64)) -> f64| {
        let mut ratios: Vec<f64> = of.iter().zip(to).map(|(of, to)| by(of) / by(to)).collect();
        ratios.sort_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    };
    println!(
        "encryption takes {:.2} times as long, and {:.2} times the processor time",
        ratio(sealed, plain, |(seconds, _)| *seconds),
        ratio(sealed, plain, |(_, processor)| *processor)
    );
    println!(
        "with {} strangers the throughput is {:.2} of that without, and the processor time {:.2} times",
        arguments.strangers,
        ratio(sealed, strangers, |(seconds, _)| *seconds),
        ratio(strangers, sealed, |(_, processor)| *processor)
    );
    Ok(())
}

/// Runs w3 in two processes: the seconds that it takes, the processor time of both, and the check sum.
fn cluster(arguments: &Arguments, way: Way) -> Outcome<(f64, f64, String)> {
    let addresses = addresses(2)?;
    let start = Instant::now();
    let mut children = Vec::new();
    for process in 0..2 {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--n", &arguments.n.to_string()]);
        command.args(["--process", &process.to_string()]);
        command.args(&addresses);
        if way != Way::Plain {
            command.arg("--sealed");
        }
        children.push(command.stdout(Stdio::piped()).spawn()?);
    }
    let over = AtomicBool::new(false);
    let outputs = thread::scope(|scope| {
        if way == Way::Strangers {
            scope.spawn(|| knock(arguments, &addresses, &over));
        }
        let outputs: Result<Vec<_>, _> =
            children.into_iter().map(Child::wait_with_output).collect();
        let seconds = start.elapsed().as_secs_f64();
        over.store(true, Ordering::Relaxed);
        outputs.map(|outputs| (seconds, outputs))
    });
    let (seconds, outputs) = outputs?;
    let (mut items, mut sum, mut processor) = (0, 0_u64, 0.0);
    for output in outputs {
        let text = String::from_utf8(output.stdout)?;
        let (check, time) = text.trim().split_once(' ').ok_or("a process failed")?;
        let (count, part) = check.split_once('/').ok_or("a check sum has two parts")?;
        items += count.parse::<u64>()?;
        sum = sum.wrapping_add(u64::from_str_radix(part, 16)?);
        processor += time.parse::<f64>()?;
    }
    Ok((seconds, processor, format!("{items}/{sum:016x}")))
}

/// Connects to both processes, again and again, as strangers do.
fn knock(arguments: &Arguments, addresses: &[String], over: &AtomicBool) {
    let start = Instant::now();
    let (all, within) = (arguments.strangers, Duration::from_millis(arguments.within));
    let mut came = 0;
    while came < all && !over.load(Ordering::Relaxed) {
        let due = f64::from(all) * (start.elapsed().as_secs_f64() / within.as_secs_f64()).min(1.0);
        while came < due as u32 {
            // It is refused, or the process is still waiting for the other.
            drop(TcpStream::connect(
                &addresses[came as usize % addresses.len()],
            ));
            came += 1;
        }
        thread::sleep(Duration::from_millis(1));
    }
    if came < all {
        println!("the run was over after {came} strangers: use a larger `--n`");
    }
}

fn member(arguments: &Arguments, process: usize, addresses: &[String]) -> Outcome<()> {
    let case = Case {
        workload: Workload::W3,
        implementation: Implementation::Bytewax,
        workers: 1,
        n: Some(arguments.n),
        file: PathBuf::new(),
        batch: None,
    };
    let mut config = RunConfig::new().process(process, addresses.iter().cloned());
    if arguments.sealed {
        config = config.cluster_secret(SECRET)?;
    }
    let check = keyed_in(&case, config)?;
    println!("{check} {}", processor_seconds());
    Ok(())
}
