//! Very many messages that cannot be read, one behind another.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytewax::RunConfig;
use bytewax::connectors::kafka::{KafkaMessage, KafkaSink, KafkaSource};
use bytewax::prelude::*;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::util::cluster;

const PARTITIONS: i32 = 4;
const EACH: u64 = 25_000;
const ALL: u64 = EACH * PARTITIONS as u64;

/// By how much the memory of the process may grow between the first messages and the last. All of them are some megabytes, and
/// what is kept of each would be more than this.
const GROWTH_KIB: u64 = 16 << 10;

/// The memory of this process.
fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.unwrap().parse().unwrap()
}

/// Writes short messages without keys: the cluster keeps no more than a few megabytes of a partition.
fn produce_poison(brokers: &str) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .unwrap();
    for partition in 0..PARTITIONS {
        for _ in 0..EACH {
            let record = || {
                BaseRecord::<(), str>::to("poison")
                    .payload("{")
                    .partition(partition)
            };
            while producer.send(record()).is_err() {
                producer.poll(std::time::Duration::from_millis(1));
            }
        }
    }
    producer.flush(kafka_tests::PATIENCE).unwrap();
}

#[test]
fn a_hundred_thousand_poison_messages_in_a_row() {
    let (_cluster, brokers) = cluster(1, &[("poison", PARTITIONS), ("dead", 1)]);
    produce_poison(&brokers);
    let (good, bad) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (early, late) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let flow = Dataflow::build("poison", |flow| {
        let source = KafkaSource::new(&brokers, ["poison"]).stop_at_end();
        let messages = flow.input(source).named("messages");
        let parsed = messages.try_map(KafkaMessage::value_json::<u64>);
        let parsed = parsed.named("parsed");
        let (seen, first, last) = (Arc::clone(&bad), Arc::clone(&early), Arc::clone(&late));
        let dead = parsed.errs.map(move |bad| {
            match seen.fetch_add(1, Ordering::Relaxed) + 1 {
                count if count == ALL / 10 => first.store(resident_kib(), Ordering::Relaxed),
                count if count == ALL => last.store(resident_kib(), Ordering::Relaxed),
                _ => {}
            }
            KafkaMessage::new(bad.error)
        });
        let sink = KafkaSink::new(&brokers, "dead").append();
        dead.named("dead").output(sink).named("out");
        let read = Arc::clone(&good);
        parsed.oks.inspect(move |_| {
            read.fetch_add(1, Ordering::Relaxed);
        });
    });
    RunConfig::new().run(flow).unwrap();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    assert_eq!((count(&good), count(&bad)), (0, ALL));
    let (early, late) = (count(&early), count(&late));
    assert!(
        late < early + GROWTH_KIB,
        "it grew from {early} to {late} KiB"
    );
}
