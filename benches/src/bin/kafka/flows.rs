//! Flows that read and write topics.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytewax::connectors::kafka::{KafkaMessage, KafkaSink, KafkaSource};
use bytewax::prelude::*;
use bytewax::{RecoveryConfig, RunConfig, StepError};

use crate::{Copy, Failure};

/// Copies messages as they come.
pub(crate) fn append(copy: &Copy<'_>) -> Result<(), Failure> {
    let flow = Dataflow::build("append", |flow| {
        let source = KafkaSource::new(copy.brokers, [copy.from]).stop_at_end();
        let messages = flow.input(source).named("messages");
        let sink = KafkaSink::new(copy.brokers, copy.to).append();
        messages.output(sink).named("out");
    });
    Ok(RunConfig::new().run(flow)?)
}

/// Copies messages in a transaction an epoch.
pub(crate) fn exactly_once(copy: &Copy<'_>) -> Result<(), Failure> {
    let store = tempfile::tempdir()?;
    let flow = Dataflow::build(copy.to, |flow| {
        let source = KafkaSource::new(copy.brokers, [copy.from]).stop_at_end();
        let messages = flow.input(source).named("messages");
        let sink = KafkaSink::new(copy.brokers, copy.to);
        messages.output(sink).named("out");
    });
    let run = RunConfig::new().epoch_interval(copy.interval);
    Ok(run.recovery(RecoveryConfig::new(store.path())).run(flow)?)
}

/// Where the positions of a topic are.
fn store(topic: &str) -> PathBuf {
    std::env::temp_dir().join(format!("{topic}-store"))
}

/// A flow that reads a topic. Its sink notes when the first message has come, and stops the run then if `stops`.
fn reading(brokers: &str, topic: &str, first: &Arc<OnceLock<Instant>>, stops: bool) -> Dataflow {
    let first = Arc::clone(first);
    Dataflow::build("first", |flow| {
        let source = KafkaSource::new(brokers, [topic]);
        let source = if stops { source } else { source.stop_at_end() };
        let messages = flow.input(source).named("messages");
        messages.output(seen(first, stops)).named("out");
    })
}

#[sink]
fn seen(
    _messages: Vec<KafkaMessage>,
    first: &Arc<OnceLock<Instant>>,
    stops: bool,
) -> Result<(), StepError> {
    first.get_or_init(Instant::now);
    match stops {
        true => Err(StepError::abort()),
        false => Ok(()),
    }
}

/// Reads all messages of a topic, and saves where it is.
pub(crate) fn read_all(brokers: &str, topic: &str) -> Result<(), Failure> {
    let flow = reading(brokers, topic, &Arc::default(), false);
    let store = RecoveryConfig::new(store(topic));
    Ok(RunConfig::new().recovery(store).run(flow)?)
}

/// The time until the first message of a run that resumes.
pub(crate) fn first_message(brokers: &str, topic: &str) -> Result<Duration, Failure> {
    let first = Arc::default();
    let start = Instant::now();
    let flow = reading(brokers, topic, &first, true);
    let store = RecoveryConfig::new(store(topic));
    RunConfig::new().recovery(store).run(flow)?;
    let first = first.get().ok_or("no message has come")?;
    Ok(first.duration_since(start))
}
