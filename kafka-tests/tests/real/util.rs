//! A broker, topics, and flows that read.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use bytewax::connectors::kafka::{KafkaMessage, KafkaSource};
use bytewax::{RunConfig, RunError};
use kafka_tests::PATIENCE;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

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

/// Waits for an answer, on this thread.
fn wait_for<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => thread::park(),
        }
    }
}

fn admin() -> AdminClient<DefaultClientContext> {
    ClientConfig::new()
        .set("bootstrap.servers", brokers())
        .create()
        .expect("a client")
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .operation_timeout(Some(PATIENCE))
        .request_timeout(Some(PATIENCE))
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
    let topic =
        NewTopic::new(name, partitions, TopicReplication::Fixed(1)).set("retention.ms", "-1");
    let made = wait_for(admin().create_topics([&topic], &options())).expect("an answer");
    assert!(made[0].is_ok(), "{made:?}");
}

pub(crate) fn delete_topic(name: &str) {
    let gone = wait_for(admin().delete_topics(&[name], &options())).expect("an answer");
    assert!(gone[0].is_ok(), "{gone:?}");
}

pub(crate) fn add_partitions(name: &str, count: usize) {
    let more = [NewPartitions::new(name, count)];
    let made = wait_for(admin().create_partitions(&more, &options())).expect("an answer");
    assert!(made[0].is_ok(), "{made:?}");
}

/// Deletes the messages of a partition that are before an offset.
pub(crate) fn delete_records(topic: &str, partition: i32, before: i64) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(before))
        .expect("an offset");
    wait_for(admin().delete_records(&list, &options())).expect("deleted");
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
