//! What a program looks like from outside: its flags, messages, exit codes and signals.
//!
//! Try `tellers workers -w 3`, `tellers endless` and Ctrl-C, `tellers fail`, or
//! `tellers workers graph`. The tests of the command line run it.

use std::time::Duration;

use bytewax::prelude::*;
use bytewax::source::{DynamicSource, Poll, StatelessSourcePartition};
use bytewax::{ExitCode, RunArgs, StepError, StepId, WorkerIndex};

#[derive(clap::Parser)]
struct Args {
    /// What the flow does.
    what: What,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum What {
    /// Every worker tells its number.
    Workers,
    /// Every worker tells its number again and again.
    Endless,
    /// A worker gets stuck.
    Stuck,
    /// The source stops the run without an error.
    Abort,
    /// The source fails.
    Fail,
    /// A closure panics.
    Panic,
    /// The flow has no output.
    Defect,
    /// The program goes on after the run.
    Linger,
    /// The run adds 1 to a number that is saved, and tells it.
    Count,
    /// The same again and again.
    Counting,
}

struct Tellers(What);

struct Teller {
    what: What,
    text: String,
    told: bool,
}

impl DynamicSource for Tellers {
    type Item = String;
    type Partition = Teller;

    fn build(&self, _: &StepId, worker: WorkerIndex, workers: usize) -> Result<Teller, StepError> {
        Ok(Teller {
            what: self.0,
            text: format!("worker {worker} of {workers}"),
            told: false,
        })
    }
}

impl StatelessSourcePartition for Teller {
    type Item = String;

    fn next_batch(&mut self) -> Result<Poll<String>, StepError> {
        let first = !std::mem::replace(&mut self.told, true);
        match self.what {
            What::Count | What::Counting if !self.text.starts_with("worker 0 ") => Ok(Poll::end()),
            What::Endless | What::Counting => {
                Ok(Poll::item(self.text.clone()).wait(Duration::from_millis(1)))
            }
            _ if first => Ok(Poll::item(self.text.clone())),
            What::Abort => Ok(Poll::abort()),
            What::Fail => {
                let cause = "nothing".parse::<u32>();
                cause.map(|_| Poll::end()).map_err(StepError::from)
            }
            _ => Ok(Poll::end()),
        }
    }
}

fn flow(what: What) -> Dataflow {
    Dataflow::build("tellers", |flow| {
        let texts = flow.input(Tellers(what)).named("texts");
        if what == What::Defect {
            return;
        }
        if matches!(what, What::Count | What::Counting) {
            let counted = texts.key_on(|_| 0_u8).stateful_map(|count: &mut u64, _| {
                *count += 1;
                *count
            });
            let counts = counted.named("counted").key_rm();
            counts
                .inspect(|count| println!("count {count}"))
                .named("tell");
            return;
        }
        let told = texts.inspect(|text| println!("{text}")).named("tell");
        told.inspect(move |_| match what {
            What::Panic => panic!("this was asked for"),
            What::Stuck => loop {
                std::thread::park();
            },
            _ => {}
        });
    })
}

fn main() -> ExitCode {
    let Args { what, run } = clap::Parser::parse();
    let code = run.execute(flow(what));
    if what == What::Linger {
        println!("the run has ended");
        loop {
            std::thread::park();
        }
    }
    code
}
