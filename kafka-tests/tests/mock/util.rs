//! A cluster, and flows that read it.

use bytewax::connectors::kafka::{KafkaMessage, KafkaSource};
use bytewax::{RunConfig, RunError};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

pub(crate) type Cluster = MockCluster<'static, DefaultProducerContext>;

/// A cluster with topics of so many partitions.
pub(crate) fn cluster(brokers: i32, topics: &[(&str, i32)]) -> (Cluster, String) {
    let cluster = MockCluster::new(brokers).expect("a cluster");
    for (topic, partitions) in topics {
        cluster
            .create_topic(topic, *partitions, brokers)
            .expect("a topic");
    }
    let addresses = cluster.bootstrap_servers();
    (cluster, addresses)
}

/// Reads all messages of a source, as `topic/partition@offset=value`, sorted.
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
        "{}/{}@{}={}",
        message.topic().unwrap_or("?"),
        message.partition().unwrap_or(-1),
        message.offset().unwrap_or(-1),
        String::from_utf8_lossy(message.value_bytes()),
    )
}
