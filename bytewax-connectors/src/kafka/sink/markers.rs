//! The topic that records which transactions were committed. It is compacted, so its records survive any
//! downtime of the flow: offsets of a consumer group would expire after a week.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use bytewax_runtime::Epoch;
use bytewax_runtime::client::Caller;
use bytewax_runtime::sink::Marker;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::kafka::context::Context;
use crate::kafka::error::Error;
use crate::kafka::message::KafkaMessage;
use crate::kafka::settings::{Settings, is_transient};

/// The time-out of a request.
const ASK: Duration = Duration::from_secs(2);

/// The pause before a retry.
const AGAIN: Duration = Duration::from_millis(50);

/// The topic of one step's markers.
pub(super) struct Markers {
    settings: Settings,
    topic: String,
    timeout: Duration,
    caller: Caller,
}

impl Markers {
    pub(super) fn new(
        settings: Settings,
        topic: String,
        timeout: Duration,
        caller: Caller,
    ) -> Self {
        Self {
            settings,
            topic,
            timeout,
            caller,
        }
    }

    fn context(&self) -> Context {
        Context::of(self.caller.clone())
    }

    /// Fails when the time is over or the run has ended.
    fn check_time(&self, client: &BaseConsumer<Context>, until: Instant) -> Result<(), Error> {
        client.context().check_run()?;
        if Instant::now() < until {
            return Ok(());
        }
        let why = client.context().take_last();
        Err(self.failed(why.unwrap_or_else(|| "no broker answers".to_owned())))
    }

    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// An encoded marker.
    pub(super) fn message(writer: usize, marker: Marker) -> KafkaMessage {
        let Marker { store, epoch } = marker;
        KafkaMessage::new(format!("{store:016x} {epoch}"))
            .with_key(writer.to_string())
            .to_partition(0)
    }

    fn parse(text: &[u8]) -> Option<Marker> {
        let (store, epoch) = std::str::from_utf8(text).ok()?.split_once(' ')?;
        Some(Marker {
            store: u64::from_str_radix(store, 16).ok()?,
            epoch: Epoch(epoch.parse().ok()?),
        })
    }

    fn failed(&self, why: impl Into<String>) -> Error {
        Error::Markers {
            topic: self.topic.clone(),
            why: why.into(),
        }
    }

    /// The marker of a writer's last committed transaction. Creates the topic if it is missing.
    pub(super) fn last(&self, writer: usize) -> Result<Option<Marker>, Error> {
        let own = [
            ("enable.partition.eof", "true", "leave it out"),
            ("enable.auto.commit", "false", "leave it out"),
            ("isolation.level", "read_committed", "leave it out"),
            ("auto.offset.reset", "earliest", "leave it out"),
            // No more data is expected at the end.
            ("fetch.wait.max.ms", "1", "leave it out"),
        ];
        let config = self.settings.beside(&[("group.id", "bytewax")], &own)?;
        let consumer: BaseConsumer<Context> = self.settings.client(&config, self.context())?;
        let until = Instant::now() + self.timeout;
        self.make(&consumer, until)?;
        self.wait_for_others(&consumer, until)?;

        let mut list = TopicPartitionList::new();
        let added = list.add_partition_offset(&self.topic, 0, Offset::Beginning);
        added.map_err(|error| self.failed(error.to_string()))?;
        let assigned = consumer.assign(&list);
        assigned.map_err(|error| self.failed(error.to_string()))?;
        let key = writer.to_string();
        let mut last = None;
        loop {
            match consumer.poll(ASK) {
                Some(Ok(read)) => {
                    if read.key() == Some(key.as_bytes()) {
                        let text = read.payload().unwrap_or_default();
                        let marker = Self::parse(text).ok_or_else(|| {
                            let shown = String::from_utf8_lossy(text);
                            self.failed(format!("`{shown}` in it is no marker"))
                        })?;
                        last = Some(marker);
                    }
                    continue;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(last),
                Some(Err(error)) if !error.rdkafka_error_code().is_some_and(is_transient) => {
                    return Err(self.failed(error.to_string()));
                }
                Some(Err(_)) | None => {}
            }
            self.check_time(&consumer, until)?;
        }
    }

    /// Waits until each present record is committed or aborted. The open transaction of another writer hides
    /// all later commits until that writer is opened too.
    fn wait_for_others(
        &self,
        committed: &BaseConsumer<Context>,
        until: Instant,
    ) -> Result<(), Error> {
        let own = [("isolation.level", "read_uncommitted", "leave it out")];
        let config = self.settings.beside(&[("group.id", "bytewax")], &own)?;
        let all: BaseConsumer<Context> = self.settings.client(&config, self.context())?;
        let written = self.end(&all, until)?;
        while self.end(committed, until)? < written {
            committed.context().check_run()?;
            if Instant::now() >= until {
                let why = "a transaction of another writer is still open; is the program running elsewhere?";
                return Err(self.failed(why));
            }
            thread::sleep(AGAIN);
        }
        Ok(())
    }

    /// The offset after the last record that a client may read.
    fn end(&self, client: &BaseConsumer<Context>, until: Instant) -> Result<i64, Error> {
        loop {
            match client.fetch_watermarks(&self.topic, 0, ASK) {
                Ok((_, end)) => return Ok(end),
                Err(error) if !error.rdkafka_error_code().is_some_and(is_transient) => {
                    return Err(self.failed(error.to_string()));
                }
                Err(_) => {}
            }
            self.check_time(client, until)?;
            thread::sleep(AGAIN);
        }
    }

    /// Creates the topic, unless it exists.
    fn make(&self, consumer: &BaseConsumer<Context>, until: Instant) -> Result<(), Error> {
        loop {
            let found = consumer.fetch_metadata(Some(&self.topic), ASK);
            if let Ok(metadata) = &found
                && let Some(topic) = metadata.topics().iter().find(|it| it.name() == self.topic)
            {
                match topic.error().map(RDKafkaErrorCode::from) {
                    None | Some(RDKafkaErrorCode::NoError) if topic.partitions().len() == 1 => {
                        return Ok(());
                    }
                    None | Some(RDKafkaErrorCode::NoError) => {
                        let count = topic.partitions().len();
                        return Err(self.failed(format!("it has {count} partitions")));
                    }
                    Some(
                        RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic,
                    ) => self.create()?,
                    Some(code) if is_transient(code) => {}
                    Some(code) => return Err(self.failed(code.to_string())),
                }
            }
            self.check_time(consumer, until)?;
            thread::sleep(AGAIN);
        }
    }

    /// Tries to create the topic. The caller checks again whether it exists.
    fn create(&self) -> Result<(), Error> {
        let config = self.settings.beside(&[], &[])?;
        let admin: AdminClient<Context> = self.settings.client(&config, self.context())?;
        let topic = NewTopic::new(&self.topic, 1, TopicReplication::Fixed(-1))
            .set("cleanup.policy", "compact")
            .set("segment.ms", "3600000");
        let options = AdminOptions::new()
            .request_timeout(Some(ASK))
            .operation_timeout(Some(ASK));
        let code = match wait_for(admin.create_topics([&topic], &options)) {
            Ok(made) => made.into_iter().find_map(Result::err).map(|(_, code)| code),
            Err(error) => Some(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
        };
        match code {
            Some(code) if code != RDKafkaErrorCode::TopicAlreadyExists && !is_transient(code) => {
                Err(self.failed(format!("it cannot be created: {code}")))
            }
            _ => Ok(()),
        }
    }
}

/// Waits for a response, on this thread.
fn wait_for<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut TaskContext::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_read_as_written() {
        let marker = Marker {
            store: 0x1f,
            epoch: Epoch(12),
        };
        let message = Markers::message(3, marker);
        assert_eq!(message.value_bytes(), b"000000000000001f 12");
        assert_eq!(message.key_bytes(), Some(b"3".as_slice()));
        assert_eq!(Markers::parse(message.value_bytes()), Some(marker));
        assert_eq!(Markers::parse(b"x"), None);
    }
}
