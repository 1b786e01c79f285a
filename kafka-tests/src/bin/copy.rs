//! Copies messages from topic to topic, and prints a line for each.

use std::io::Write;

use bytewax::connectors::kafka::{KafkaMessage, KafkaSink, KafkaSource};
use bytewax::prelude::*;

#[derive(clap::Parser)]
struct Args {
    #[arg(long)]
    brokers: String,
    /// How the flow is called, and so its transactions.
    #[arg(long, default_value = "copy")]
    name: String,
    #[arg(long)]
    from: String,
    #[arg(long)]
    to: String,
    #[command(flatten)]
    run: bytewax::RunArgs,
}

fn copy(args: &Args) -> Dataflow {
    Dataflow::build(&args.name, |flow| {
        let source = KafkaSource::new(&args.brokers, [&args.from]);
        let messages = flow.input(source).named("messages");
        let passed = messages.map(|message: KafkaMessage| {
            // Whoever has started this may have gone.
            let _ = writeln!(std::io::stdout(), "passed");
            message
        });
        let sink =
            KafkaSink::new(&args.brokers, &args.to).setting("queue.buffering.max.messages", "10");
        passed.named("passed").output(sink).named("out");
    })
}

fn main() -> bytewax::ExitCode {
    let args = <Args as clap::Parser>::parse();
    let flow = copy(&args);
    args.run.execute(flow)
}
