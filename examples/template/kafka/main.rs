//! Adds up the payments of each customer: from the topic `payments` to the topic `totals`, exactly once.
use bytewax::connectors::kafka::{KafkaMessage, KafkaSink, KafkaSource};
use bytewax::prelude::*;
use serde::{Deserialize, Serialize};

// It is faster than glibc's allocator when one thread allocates and another frees.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The JSON of a message.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Payment {
    customer: String,
    cents: u64,
}

/// Emits the total of a customer after each payment.
#[operator]
fn totals(payments: Stream<Payment>) -> KeyedStream<String, u64> {
    let by_customer = payments.key_on(|payment: &Payment| payment.customer.clone());
    by_customer.stateful_map(|sum: &mut u64, payment: Payment| {
        *sum += payment.cents;
        *sum
    })
}

fn flow(brokers: &str) -> Dataflow {
    dataflow!("my_flow", delivery = exactly_once, |flow| {
        let messages = flow.input(KafkaSource::new(brokers, ["payments"]));
        let parsed = messages.try_map(KafkaMessage::value_json::<Payment>);
        let totals = totals(parsed.oks);
        let lines = totals.map(|(customer, cents)| KafkaMessage::json(&cents).with_key(customer));
        lines.output(KafkaSink::new(brokers, "totals"));
        // Messages that cannot be read.
        let dead = parsed
            .errs
            .map(|bad| bad.item.with_header("error", bad.error.to_string()));
        dead.output(KafkaSink::new(brokers, "dead_letters"));
    })
}

#[derive(clap::Parser)]
struct Args {
    /// Addresses of brokers, separated by commas.
    #[arg(long, env = "BROKERS", default_value = "localhost:9092")]
    brokers: String,
    #[command(flatten)]
    run: bytewax::RunArgs,
}

fn main() -> bytewax::ExitCode {
    let args = <Args as clap::Parser>::parse();
    args.run.execute(flow(&args.brokers))
}

#[cfg(test)]
mod tests {
    use bytewax::testing::run_items;

    use super::*;

    #[test]
    fn totals_grow_with_each_payment() {
        let payment = |customer: &str, cents| Payment {
            customer: customer.to_owned(),
            cents,
        };
        let payments = [payment("ada", 5), payment("bob", 7), payment("ada", 4)];
        let out = run_items(payments, |payments| totals(payments).named("totals"));
        let out: Vec<_> = out.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        assert_eq!(out, [("ada", 5), ("bob", 7), ("ada", 9)]);
    }
}
