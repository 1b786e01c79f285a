//! A broker, topics, and flows that read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use bytewax::connectors::kafka::{KafkaMessage, KafkaSource};
use bytewax::{RunConfig, RunError};
use kafka_tests::{PATIENCE, admin};

/// The address of the broker.
pub(crate) fn brokers() -> String {
    std::env::var("KAFKA_BOOTSTRAP").expect("KAFKA_BOOTSTRAP: run this by `.ci/kafka`")
}

/// A name that nobody has had before.
pub(crate) fn unique(name: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .expect("after 1970")
        .as_micros();
    format!("{name}-{now}-{next}")
}

/// Makes a topic of a new name.
pub(crate) fn topic(name: &str, partitions: i32) -> String {
    let name = unique(name);
    topic_named(&name, partitions);
    name
}

/// Makes a topic.
pub(crate) fn topic_named(name: &str, partitions: i32) {
    // The messages of tests are of 1970.
    admin::create_topic(&brokers(), name, partitions, &[("retention.ms", "-1")]);
}

pub(crate) fn delete_topic(name: &str) {
    admin::delete_topic(&brokers(), name);
}

pub(crate) fn add_partitions(name: &str, count: usize) {
    admin::add_partitions(&brokers(), name, count);
}

/// Deletes the messages of a partition that are before an offset.
pub(crate) fn delete_records(topic: &str, partition: i32, before: i64) {
    admin::delete_records(&brokers(), topic, partition, before);
}

/// Reads all messages of a source, as `partition@offset=value`, sorted.
pub(crate) fn read(source: KafkaSource, run: &RunConfig) -> Result<Vec<String>, RunError> {
    kafka_tests::read(source, run, shown)
}

/// Reads until there are so many messages, and stops. Meanwhile `each` sees how many there are.
pub(crate) fn read_some(
    source: KafkaSource,
    run: &RunConfig,
    count: usize,
    each: impl FnMut(usize),
) -> Result<Vec<String>, RunError> {
    kafka_tests::read_some(source, run, shown, count, each)
}

fn shown(message: &KafkaMessage) -> String {
    format!(
        "{}@{}={}",
        message.partition().unwrap_or(-1),
        message.offset().unwrap_or(-1),
        String::from_utf8_lossy(message.value_bytes()),
    )
}

/// Waits until something holds; it only catches hangs.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < 3 * PATIENCE, "{what} does not come");
        thread::sleep(Duration::from_millis(50));
    }
}
