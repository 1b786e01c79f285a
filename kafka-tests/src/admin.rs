//! Topics are made, changed and deleted.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::PATIENCE;

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

fn client(brokers: &str) -> AdminClient<DefaultClientContext> {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .expect("a client")
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .operation_timeout(Some(PATIENCE))
        .request_timeout(Some(PATIENCE))
}

/// Makes a topic with these settings.
///
/// # Panics
///
/// If it cannot be made.
pub fn create_topic(brokers: &str, name: &str, partitions: i32, settings: &[(&str, &str)]) {
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let topic = settings
        .iter()
        .fold(topic, |topic, (name, value)| topic.set(name, value));
    let made = wait_for(client(brokers).create_topics([&topic], &options())).expect("an answer");
    assert!(made[0].is_ok(), "{made:?}");
}

/// Deletes a topic.
///
/// # Panics
///
/// If it cannot be deleted.
pub fn delete_topic(brokers: &str, name: &str) {
    let gone = wait_for(client(brokers).delete_topics(&[name], &options())).expect("an answer");
    assert!(gone[0].is_ok(), "{gone:?}");
}

/// Adds partitions to a topic, until it has so many.
///
/// # Panics
///
/// If they cannot be added.
pub fn add_partitions(brokers: &str, name: &str, count: usize) {
    let more = [NewPartitions::new(name, count)];
    let made = wait_for(client(brokers).create_partitions(&more, &options())).expect("an answer");
    assert!(made[0].is_ok(), "{made:?}");
}

/// Deletes the messages of a partition that are before an offset.
///
/// # Panics
///
/// If they cannot be deleted.
pub fn delete_records(brokers: &str, topic: &str, partition: i32, before: i64) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(before))
        .expect("an offset");
    wait_for(client(brokers).delete_records(&list, &options())).expect("deleted");
}
