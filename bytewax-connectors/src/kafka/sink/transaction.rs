//! Transactions of one writer of a sink.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fmt, mem};

use bytewax_runtime::client::Caller;
use bytewax_runtime::sink::{Marker, TransactionalWriter, WriterPlace};
use bytewax_runtime::{Epoch, StepError};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;

use super::markers::Markers;
use super::producer::Producer;
use super::{DEFAULTS, OWN, Options};
use crate::kafka::error::Error;
use crate::kafka::message::KafkaMessage;

/// The time-out of one call.
const TRY: Duration = Duration::from_secs(2);

/// The longest time that a transaction may be open, in milliseconds.
const TIMEOUT: &str = "300000";

/// A writer of a [`KafkaSink`](super::KafkaSink), which writes one transaction at a time.
pub struct KafkaWriter {
    state: State,
    topic: Option<Arc<str>>,
    /// `None` without a recovery store: messages are then written immediately.
    transactions: Option<Arc<Transactions>>,
}

enum State {
    /// Until its marker is requested.
    Opening(JoinHandle<Result<(Producer, Option<Marker>), Error>>),
    Open(Producer),
    /// Opening failed.
    Failed,
}

struct Transactions {
    id: String,
    number: usize,
    markers: Markers,
    connect_timeout: Duration,
}

impl fmt::Debug for KafkaWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaWriter")
            .field("id", &self.transactions.as_ref().map(|it| &it.id))
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

impl KafkaWriter {
    pub(super) fn open(options: &Options, place: &WriterPlace<'_>) -> Result<Self, Error> {
        let Options {
            settings, topic, ..
        } = options;
        if !place.is_saved {
            return Ok(Self {
                state: State::Open(options.producer(DEFAULTS, OWN)?),
                topic: topic.as_deref().map(Arc::from),
                transactions: None,
            });
        }
        let id = format!("{}.{}", place.step, place.number);
        let own = [
            OWN[0],
            (
                "transactional.id",
                id.as_str(),
                "it is made of flow, step and a number",
            ),
        ];
        let defaults = [DEFAULTS[0], ("transaction.timeout.ms", TIMEOUT)];
        let producer = options.producer(&defaults, &own)?;
        let marker_topic = options.marker_topic.clone();
        let marker_topic = marker_topic.unwrap_or_else(|| format!("{}.markers", place.step));
        let transactions = Arc::new(Transactions {
            id,
            number: place.number,
            markers: Markers::new(
                settings.clone(),
                marker_topic,
                options.connect_timeout,
                Caller::current(),
            ),
            connect_timeout: options.connect_timeout,
        });
        // This takes several responses of the brokers; all writers wait for them concurrently.
        let recovering = Arc::clone(&transactions);
        let recover = move || recovering.recover(producer);
        let thread = thread::Builder::new().name("kafka-transactions".to_owned());
        let opening = thread.spawn(recover).map_err(|error| Error::Client {
            why: format!("there is no thread to be had: {error}"),
        })?;
        Ok(Self {
            state: State::Opening(opening),
            topic: topic.as_deref().map(Arc::from),
            transactions: Some(transactions),
        })
    }

    fn producer(&mut self) -> Result<&mut Producer, Error> {
        match &mut self.state {
            State::Open(producer) => Ok(producer),
            State::Opening(_) | State::Failed => Err(Error::Client {
                why: "it was not opened".to_owned(),
            }),
        }
    }
}

impl Transactions {
    /// Ends an open transaction, and determines which one was committed.
    fn recover(&self, producer: Producer) -> Result<(Producer, Option<Marker>), Error> {
        let time = Some(self.connect_timeout);
        self.call(&producer, time, || producer.client.init_transactions(TRY))?;
        let marker = self.markers.last(self.number)?;
        Ok((producer, marker))
    }

    fn failed(&self, error: &KafkaError) -> Error {
        let is_fenced = matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::Fenced
                    | RDKafkaErrorCode::InvalidProducerEpoch
                    | RDKafkaErrorCode::TransactionCoordinatorFenced
            )
        );
        let id = self.id.clone();
        match is_fenced {
            true => Error::Fenced { id },
            false => Error::Transaction {
                id,
                why: error.to_string(),
            },
        }
    }

    /// Repeats a call of the client until it succeeds, fails permanently, or had no response for `time`.
    fn call(
        &self,
        producer: &Producer,
        time: Option<Duration>,
        call: impl Fn() -> Result<(), KafkaError>,
    ) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            producer.look();
            let error = match call() {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            producer.look();
            producer.check_with(|| self.failed(&error))?;
            producer.check_waiting()?;
            let passes = match &error {
                KafkaError::Transaction(error) => error.is_retriable(),
                KafkaError::Flush(code) => *code == RDKafkaErrorCode::OperationTimedOut,
                _ => false,
            };
            if !passes || time.is_some_and(|time| begun.elapsed() > time) {
                return Err(self.failed(&error));
            }
        }
    }
}

impl TransactionalWriter<KafkaMessage> for KafkaWriter {
    fn recover(&mut self) -> Result<Option<Marker>, StepError> {
        match mem::replace(&mut self.state, State::Failed) {
            State::Opening(opening) => {
                let opened = opening.join();
                let (producer, marker) =
                    opened.map_err(|_| StepError::msg("opening the producer has panicked"))??;
                self.state = State::Open(producer);
                Ok(marker)
            }
            state => {
                self.state = state;
                Ok(None)
            }
        }
    }

    fn begin(&mut self, _: Epoch) -> Result<(), StepError> {
        if let Some(transactions) = self.transactions.clone() {
            let producer = self.producer()?;
            transactions.call(producer, None, || producer.client.begin_transaction())?;
        }
        Ok(())
    }

    fn write_batch(&mut self, items: Vec<KafkaMessage>) -> Result<(), StepError> {
        let topic = self.topic.clone();
        let producer = self.producer()?;
        for message in items {
            producer.send(message, topic.as_deref())?;
        }
        producer.look();
        producer.check()?;
        producer.fail()
    }

    fn prepare(&mut self, marker: Marker) -> Result<(), StepError> {
        let transactions = self.transactions.clone();
        let producer = self.producer()?;
        if let Some(transactions) = transactions {
            let message = Markers::message(transactions.number, marker);
            producer.send(message, Some(transactions.markers.topic()))?;
        }
        producer.flush()?;
        producer.fail()
    }

    fn commit(&mut self, _: Epoch) -> Result<(), StepError> {
        if let Some(transactions) = self.transactions.clone() {
            let producer = self.producer()?;
            transactions.call(producer, None, || producer.client.commit_transaction(TRY))?;
        }
        Ok(())
    }
}
