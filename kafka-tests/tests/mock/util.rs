//! A cluster, and flows that read and write it.

use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use bytewax::connectors::kafka::{KafkaMessage, KafkaSource, Strict};
use bytewax::prelude::*;
use bytewax::testing::TestingSink;
use bytewax::{RecoveryConfig, RunConfig, RunError, StepError};
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

/// A run that saves its state in a directory.
pub(crate) fn saving(dir: &Path) -> RunConfig {
    RunConfig::new().recovery(RecoveryConfig::new(dir))
}

/// Reads all that a source gives, as `topic/partition@offset=value`, sorted.
pub(crate) fn read(source: KafkaSource, run: &RunConfig) -> Result<Vec<String>, RunError> {
    let out = TestingSink::new();
    let flow = Dataflow::build("read", |flow| {
        let messages = flow.input(source).named("messages");
        messages
            .map(|message| shown(&message))
            .output(out.clone())
            .named("out");
    });
    run.run(flow)?;
    let mut read = out.take();
    read.sort();
    Ok(read)
}

pub(crate) fn shown(message: &KafkaMessage) -> String {
    format!(
        "{}/{}@{}={}",
        message.topic().unwrap_or("?"),
        message.partition().unwrap_or(-1),
        message.offset().unwrap_or(-1),
        String::from_utf8_lossy(message.value_bytes()),
    )
}

/// Reads until there are so many messages, and stops. Meanwhile `each` hears how many there are.
pub(crate) fn read_some(
    source: KafkaSource<Strict>,
    run: &RunConfig,
    count: usize,
    each: impl FnMut(usize),
) -> Result<Vec<String>, RunError> {
    let all = Arc::new(Mutex::new(Vec::new()));
    let (counts, heard) = mpsc::channel();
    let sink = Until {
        all: Arc::clone(&all),
        count,
        counts,
    };
    let flow = Dataflow::build("read", |flow| {
        let messages = flow.input(source).named("messages");
        messages
            .map(|message| shown(&message))
            .output(until(sink))
            .named("out");
    });
    thread::scope(|scope| {
        let run = scope.spawn(|| run.run(flow));
        heard.iter().for_each(each);
        run.join().expect("it does not panic")
    })?;
    let mut read = all.lock().expect("no panic").clone();
    read.sort();
    Ok(read)
}

#[derive(Clone)]
struct Until {
    all: Arc<Mutex<Vec<String>>>,
    count: usize,
    counts: Sender<usize>,
}

#[sink]
fn until(items: Vec<String>, sink: &Until) -> Result<(), StepError> {
    let count = {
        let mut all = sink.all.lock().expect("no panic");
        all.extend(items);
        all.len()
    };
    sink.counts.send(count)?;
    match count >= sink.count {
        true => Err(StepError::abort()),
        false => Ok(()),
    }
}
