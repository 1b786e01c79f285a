//! Receives the events of a client.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytewax_runtime::client::Caller;
use bytewax_runtime::source::Waker;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;
use tracing::{debug, error, info, warn};

use super::error::Error;
use super::settings::{is_refusal, is_transient};
use super::statistics::{Extent, KafkaStatistics, Reporter, parse};
use crate::note::note;

/// How long unresponsive brokers are not reported again.
const QUIET: Duration = Duration::from_secs(60);

/// Receives the events of a client.
pub(super) struct Context {
    /// The step that the client belongs to.
    caller: Caller,
    heard: Mutex<Heard>,
    /// The number of served events, which shows when none are left.
    served: AtomicUsize,
    /// Whether there may be events.
    events: AtomicBool,
    /// The waker for events.
    wakers: Mutex<Vec<(u64, Waker)>>,
    /// The receiver of the client's statistics.
    reporter: Option<Reporter>,
    /// The unread messages of each topic's partitions, from the client's last report.
    extents: Mutex<HashMap<String, HashMap<i32, Extent>>>,
}

#[derive(Default)]
struct Heard {
    /// The text of the last error.
    last: Option<String>,
    /// Why the brokers reject the client.
    refusal: Option<String>,
    /// Why the client cannot continue.
    fatal: Option<String>,
    noted: Option<Instant>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Context {
    /// For a client of a step.
    pub(super) fn of(caller: Caller) -> Self {
        Self {
            caller,
            heard: Mutex::default(),
            served: AtomicUsize::new(0),
            events: AtomicBool::new(false),
            wakers: Mutex::default(),
            reporter: None,
            extents: Mutex::default(),
        }
    }

    /// For a client of the calling step, which forwards the client's statistics.
    pub(super) fn reporting(statistics: Option<&KafkaStatistics>) -> Self {
        Self {
            reporter: statistics.map(KafkaStatistics::reporter),
            ..Self::of(Caller::current())
        }
    }

    /// Reading has ended: removes the client's reports.
    pub(super) fn forget(&self) {
        if let Some(reporter) = &self.reporter {
            reporter.forget();
        }
    }

    /// The unread messages of a partition.
    pub(super) fn extent(&self, topic: &str, partition: i32) -> Option<Extent> {
        let extents = lock(&self.extents);
        extents.get(topic)?.get(&partition).copied()
    }

    /// Fails if the run has ended, so that nobody waits for it any more.
    pub(super) fn check_run(&self) -> Result<(), Error> {
        match self.caller.has_ended() {
            true => Err(Error::Stopped),
            false => Ok(()),
        }
    }

    /// Logs a message with the step.
    pub(super) fn note(&self, text: &str) {
        match self.caller.step() {
            Some(step) => note(&format!("step `{step}`: {text}")),
            None => note(text),
        }
    }

    /// The text of the last error.
    pub(super) fn take_last(&self) -> Option<String> {
        lock(&self.heard).last.take()
    }

    pub(super) fn refusal(&self) -> Option<String> {
        lock(&self.heard).refusal.clone()
    }

    pub(super) fn fatal(&self) -> Option<String> {
        lock(&self.heard).fatal.clone()
    }

    pub(super) fn served(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }

    fn serve(&self) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }

    /// There are events: wakes the one who serves them.
    pub(super) fn has_events(&self) {
        self.events.store(true, Ordering::Release);
        if let Some((_, waker)) = lock(&self.wakers).last() {
            waker.wake();
        }
    }

    /// Whether there may be events since the last call.
    pub(super) fn take_events(&self) -> bool {
        self.events.load(Ordering::Acquire) && self.events.swap(false, Ordering::AcqRel)
    }

    pub(super) fn add_waker(&self, id: u64, waker: Waker) {
        lock(&self.wakers).push((id, waker));
    }

    pub(super) fn remove_waker(&self, id: u64) {
        lock(&self.wakers).retain(|(known, _)| *known != id);
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.serve();
        // The level of an event is a constant.
        match level {
            RDKafkaLogLevel::Warning => warn!(target: "librdkafka", "{facility} {text}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                info!(target: "librdkafka", "{facility} {text}");
            }
            RDKafkaLogLevel::Debug => debug!(target: "librdkafka", "{facility} {text}"),
            _ => error!(target: "librdkafka", "{facility} {text}"),
        }
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.serve();
        debug!(target: "librdkafka", "{}", String::from_utf8_lossy(statistics));
        let Some(reported) = parse(statistics) else {
            warn!(target: "librdkafka", "the statistics cannot be read");
            return;
        };
        let mut extents = lock(&self.extents);
        let mut partitions = Vec::with_capacity(reported.len());
        for (partition, extent) in reported {
            if let Some(extent) = extent {
                let topic = match extents.get_mut(&partition.topic) {
                    Some(topic) => topic,
                    None => extents.entry(partition.topic.clone()).or_default(),
                };
                topic.insert(partition.number, extent);
            }
            partitions.push(partition);
        }
        drop(extents);
        if let Some(reporter) = &self.reporter {
            reporter.report(partitions);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.serve();
        let code = error.rdkafka_error_code();
        let mut heard = lock(&self.heard);
        heard.last = Some(reason.to_owned());
        match code {
            Some(code) if is_refusal(code) => heard.refusal = Some(reason.to_owned()),
            Some(RDKafkaErrorCode::Fatal | RDKafkaErrorCode::Fenced) => {
                heard.fatal = Some(reason.to_owned());
            }
            // It follows the reports about each broker.
            Some(RDKafkaErrorCode::AllBrokersDown) => {}
            Some(code)
                if is_transient(code)
                    && heard.noted.is_none_or(|noted| noted.elapsed() > QUIET) =>
            {
                heard.noted = Some(Instant::now());
                self.note(&format!(
                    "Kafka: {reason}; the client retries until it succeeds"
                ));
            }
            _ => {}
        }
    }
}

impl ConsumerContext for Context {
    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        self.serve();
        if let Err(error) = result
            && error.rdkafka_error_code() != Some(RDKafkaErrorCode::NoOffset)
        {
            self.note(&format!(
                "Kafka: offsets cannot be committed to the group: {error}; the flow continues, because it reads \
                 from its own positions"
            ));
        }
    }
}
