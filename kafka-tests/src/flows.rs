//! Flows that read.

use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use bytewax::connectors::kafka::{KafkaMessage, KafkaSource};
use bytewax::prelude::*;
use bytewax::testing::TestingSink;
use bytewax::{RecoveryConfig, RunConfig, RunError, StepError};

/// A run that saves its state in a directory.
pub fn saving(dir: &Path) -> RunConfig {
    RunConfig::new().recovery(RecoveryConfig::new(dir))
}

/// Reads all messages of a source, each as `shown` writes it, sorted.
///
/// # Errors
///
/// If the run fails.
pub fn read(
    source: KafkaSource,
    run: &RunConfig,
    shown: fn(&KafkaMessage) -> String,
) -> Result<Vec<String>, RunError> {
    let out = TestingSink::new();
    let flow = Dataflow::build("read", |flow| {
        let messages = flow.input(source).named("messages");
        let texts = messages.map(move |message| shown(&message));
        texts.output(out.clone()).named("out");
    });
    run.run(flow)?;
    let mut read = out.take();
    read.sort();
    Ok(read)
}

/// Reads until there are so many messages, and stops. Meanwhile `each` sees how many there are.
///
/// # Errors
///
/// If the run fails.
///
/// # Panics
///
/// If the run panics.
pub fn read_some(
    source: KafkaSource,
    run: &RunConfig,
    shown: fn(&KafkaMessage) -> String,
    count: usize,
    mut each: impl FnMut(usize),
) -> Result<Vec<String>, RunError> {
    let all = Arc::new(Mutex::new(Vec::new()));
    let (counts, seen) = mpsc::channel();
    let sink = Until {
        all: Arc::clone(&all),
        count,
        counts,
    };
    let flow = Dataflow::build("read", |flow| {
        let messages = flow.input(source).named("messages");
        let texts = messages.map(move |message| shown(&message));
        texts.output(until(sink)).named("out");
    });
    thread::scope(|scope| {
        let run = scope.spawn(|| run.run(flow));
        for now in seen {
            each(now);
            // Whoever measures the run may keep the sink.
            if now >= count {
                break;
            }
        }
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
