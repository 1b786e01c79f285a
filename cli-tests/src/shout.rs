//! Writes the lines of standard input in capitals, for the tests of standard streams. With `--ticks`, another
//! source says `tick` now and then, until the program is stopped.

use std::time::Duration;

use bytewax::connectors::stdio::{StdInSource, StdOutSink};
use bytewax::prelude::*;
use bytewax::source::Poll;
use bytewax::{ExitCode, RunArgs};

#[derive(clap::Parser)]
struct Args {
    /// Whether there are ticks too
    #[arg(long)]
    ticks: bool,
    #[command(flatten)]
    run: RunArgs,
}

#[source]
fn ticks() -> Poll<String> {
    Poll::item("tick".to_owned()).wait(Duration::from_millis(20))
}

fn main() -> ExitCode {
    let args = <Args as clap::Parser>::parse();
    let with_ticks = args.ticks;
    let flow = dataflow!("shout", |flow| {
        let lines = flow.input(StdInSource::new());
        let shouted = lines.map(|line| line.to_uppercase());
        shouted.output(StdOutSink::new());
        if with_ticks {
            let told = flow.input(ticks());
            told.output(StdOutSink::new());
        }
    });
    args.run.execute(flow)
}
