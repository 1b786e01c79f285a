//! The producer of a sink on one worker.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytewax_runtime::StepError;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};

use super::super::context::Context;
use super::super::error::Error;
use super::super::message::KafkaMessage;
use super::super::settings::Settings;
use super::super::statistics::KafkaStatistics;

/// The number of messages between two checks of delivery reports.
const LOOK: usize = 256;

/// How long to wait for room before checking again.
const WAIT: Duration = Duration::from_millis(1);

/// How much of a key is shown.
const SHOWN: usize = 64;

/// An unwritten message, and the reason.
pub(super) type Failed = (KafkaMessage, Error);

/// Receives delivery reports.
pub(super) struct Deliveries {
    context: Context,
    failed: Mutex<Vec<Failed>>,
    /// Messages that the client has abandoned because others had failed.
    purged: Mutex<Vec<Failed>>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, text: &str) {
        self.context.log(level, facility, text);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.context.stats_raw(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.context.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            let topic = message.topic().to_owned();
            let message = owned(message);
            let is_purged = matches!(
                error.rdkafka_error_code(),
                Some(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight)
            );
            let error = write_error(&message, &topic, error);
            let list = if is_purged {
                &self.purged
            } else {
                &self.failed
            };
            list.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((message, error));
        }
    }
}

/// The original message.
fn owned<M: Message>(message: &M) -> KafkaMessage {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        let owned =
            |header: Header<'_, &[u8]>| (header.key.to_owned(), header.value.map(<[u8]>::to_vec));
        headers.iter().map(owned).collect()
    });
    KafkaMessage {
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers,
        timestamp: message.timestamp().to_millis(),
        origin: None,
        way: None,
    }
}

fn write_error(message: &KafkaMessage, topic: &str, error: &KafkaError) -> Error {
    let mend = match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize) => {
            "; raise `message.max.bytes` with `KafkaSink::setting`, and `max.message.bytes` of the topic"
        }
        Some(
            RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownPartition,
        ) => "; create the topic or the partition before the run",
        // When a topic is deleted, the client may drop its broker while messages are on their way to it.
        Some(RDKafkaErrorCode::BrokerDestroy) => {
            "; the partition lost its broker: create the topic or the partition if it was deleted, and start again"
        }
        _ => "",
    };
    let why = error
        .rdkafka_error_code()
        .map_or_else(|| error.to_string(), |code| code.to_string());
    failed(message, topic, format!("{why}{mend}"))
}

fn failed(message: &KafkaMessage, topic: &str, why: String) -> Error {
    let key = message.key.as_deref().map_or_else(
        || "without a key".to_owned(),
        |key| {
            let shown = String::from_utf8_lossy(&key[..key.len().min(SHOWN)]);
            let more = if key.len() > SHOWN { ".." } else { "" };
            format!("with the key `{shown}{more}`")
        },
    );
    let message = match &message.value {
        Some(value) => format!("{key} and {} bytes", value.len()),
        None => format!("{key} and no value"),
    };
    Error::Write {
        message,
        topic: topic.to_owned(),
        why,
    }
}

/// Writes messages, and collects those that cannot be written.
pub(super) struct Producer {
    pub(super) client: BaseProducer<Deliveries>,
    sent: usize,
}

impl Producer {
    /// A producer of the calling step.
    pub(super) fn new(
        settings: &Settings,
        config: &ClientConfig,
        statistics: Option<&KafkaStatistics>,
    ) -> Result<Self, Error> {
        let deliveries = Deliveries {
            context: Context::reporting(statistics),
            failed: Mutex::default(),
            purged: Mutex::default(),
        };
        Ok(Self {
            client: settings.client(config, deliveries)?,
            sent: 0,
        })
    }

    /// Sends a message when there is room. Its delivery report comes later.
    pub(super) fn send(&mut self, message: KafkaMessage, topic: Option<&str>) -> Result<(), Error> {
        let way = message.way.as_deref();
        if let Some(why) = way.and_then(|way| way.fault.clone()) {
            let error = failed(&message, topic.unwrap_or_default(), why);
            self.note(message, error);
            return Ok(());
        }
        let Some(topic) = topic.or_else(|| way.and_then(|way| way.topic.as_deref())) else {
            let why = "it names no topic; set it with `KafkaMessage::to_topic`";
            let error = failed(&message, "", why.to_owned());
            self.note(message, error);
            return Ok(());
        };
        let mut record = BaseRecord::<[u8], [u8]>::to(topic);
        record.key = message.key.as_deref();
        record.payload = message.value.as_deref();
        record.timestamp = message.timestamp;
        record.partition = way.and_then(|way| way.partition);
        if !message.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(message.headers.len());
            let headers = message.headers.iter().fold(headers, |all, (key, value)| {
                let value = value.as_deref();
                all.insert(Header { key, value })
            });
            record.headers = Some(headers);
        }
        self.sent += 1;
        if self.sent.is_multiple_of(LOOK) {
            self.client.poll(Duration::ZERO);
        }
        loop {
            let Err((error, refused)) = self.client.send(record) else {
                return Ok(());
            };
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                let error = write_error(&message, topic, &error);
                self.note(message, error);
                return Ok(());
            }
            // The queue is full: the flow waits until the brokers have accepted some messages, or the run
            // ends.
            self.client.poll(WAIT);
            self.check_waiting()?;
            record = refused;
        }
    }

    fn note(&self, message: KafkaMessage, error: Error) {
        let failed = self.client.context().failed.lock();
        failed
            .unwrap_or_else(PoisonError::into_inner)
            .push((message, error));
    }

    /// Waits for the delivery reports of all messages.
    pub(super) fn flush(&self) -> Result<(), Error> {
        // The client may have statistics to report even without messages in flight.
        self.look();
        while self.client.in_flight_count() > 0 {
            self.client.poll(WAIT);
            self.check_waiting()?;
        }
        Ok(())
    }

    /// Checks whether to keep waiting: the producer works, and the run has not ended.
    pub(super) fn check_waiting(&self) -> Result<(), Error> {
        self.client.context().context.check_run()?;
        self.check()
    }

    /// Checks whether the producer works.
    pub(super) fn check(&self) -> Result<(), Error> {
        let context = &self.client.context().context;
        if let Some(why) = context.refusal() {
            return Err(Error::Producer {
                why: format!("the brokers refuse the client: {why}"),
            });
        }
        let fatal = self.client.client().fatal_error();
        match fatal.map(|(code, text)| format!("{text} ({code})")) {
            Some(why) => Err(Error::Producer { why }),
            None => Ok(()),
        }
    }

    /// The same for an error of the client, which reveals whether it is fenced.
    pub(super) fn check_with(&self, given: impl FnOnce() -> Error) -> Result<(), Error> {
        match (self.check(), given()) {
            (Ok(()), _) => Ok(()),
            (Err(_), fenced @ Error::Fenced { .. }) => Err(fenced),
            (Err(error), _) => Err(error),
        }
    }

    /// Handles the available delivery reports.
    pub(super) fn look(&self) {
        self.client.poll(Duration::ZERO);
    }

    /// The unwritten messages. Those abandoned because of others are last.
    pub(super) fn take_failed(&self) -> Vec<Failed> {
        let context = self.client.context();
        let take = |list: &Mutex<Vec<Failed>>| {
            std::mem::take(&mut *list.lock().unwrap_or_else(PoisonError::into_inner))
        };
        let mut all = take(&context.failed);
        all.append(&mut take(&context.purged));
        all
    }

    /// Fails with the first unwritten message, if any.
    pub(super) fn fail(&self) -> Result<(), StepError> {
        Ok(self.failed()?)
    }

    /// The same.
    pub(super) fn failed(&self) -> Result<(), Error> {
        match self.take_failed().into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_topic_that_is_gone_states_how_to_mend_it() {
        let message = KafkaMessage::new("7").with_key("k");
        for code in [
            RDKafkaErrorCode::UnknownTopic,
            RDKafkaErrorCode::UnknownTopicOrPartition,
            RDKafkaErrorCode::UnknownPartition,
            // What the client reports of messages on their way when the topic is deleted.
            RDKafkaErrorCode::BrokerDestroy,
        ] {
            let text =
                write_error(&message, "pages", &KafkaError::MessageProduction(code)).to_string();
            let start =
                "the message with the key `k` and 1 bytes cannot be written to the topic `pages`: ";
            assert!(text.starts_with(start), "{text}");
            assert!(text.contains("create the topic or the partition"), "{text}");
        }
    }
}
