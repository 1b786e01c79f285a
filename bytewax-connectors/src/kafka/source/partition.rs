//! A partition that is being read.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytewax_runtime::source::{Lag, Poll, StatefulSourcePartition, Waker};
use bytewax_runtime::{Epoch, StepError};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::Offset;

use super::super::error::{Error, ReadError};
use super::super::message::{KafkaMessage, Origin};
use super::super::settings::is_transient;
use super::client::{Client, Queue};
use super::options::{LostOffset, Options};
use super::topics::TopicPartition;
use super::{Answer, KafkaPosition};

/// The approximate maximum of message bytes in a batch.
const BATCH_BYTES: usize = 64 << 10;

/// The overhead of a message in bytes.
const MESSAGE_BYTES: usize = 32;

/// An open partition of a [`KafkaSource`](super::KafkaSource).
pub struct KafkaPartition<A> {
    // Before the client, which must outlive it.
    queue: Queue,
    reading: Reading,
    answer: PhantomData<fn() -> A>,
}

/// All but the queue.
struct Reading {
    client: Rc<Client>,
    id: u64,
    options: Arc<Options>,
    partition: TopicPartition,
    topic: Arc<str>,
    position: KafkaPosition,
    /// The offset at which to stop.
    end: Option<i64>,
    has_ended: bool,
    /// The event after the emitted messages.
    fault: Option<Error>,
    /// The positions at the ends of incomplete epochs.
    epochs: VecDeque<(Epoch, KafkaPosition)>,
}

impl<A> std::fmt::Debug for KafkaPartition<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaPartition")
            .field("partition", &self.reading.partition.name())
            .field("position", &self.reading.position)
            .finish_non_exhaustive()
    }
}

impl<A> KafkaPartition<A> {
    pub(super) fn open(
        client: Rc<Client>,
        options: Arc<Options>,
        partition: TopicPartition,
        position: KafkaPosition,
        end: Option<i64>,
    ) -> Result<Self, Error> {
        let from = position.next().map_or(Offset::Beginning, Offset::Offset);
        let (queue, id) = client.read(&partition, from, Waker::current())?;
        Ok(Self {
            queue,
            reading: Reading {
                client,
                id,
                options,
                topic: partition.topic.as_str().into(),
                partition,
                position,
                end,
                has_ended: false,
                fault: None,
                epochs: VecDeque::new(),
            },
            answer: PhantomData,
        })
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.client.stop(&self.partition);
        self.client.closed(self.id);
    }
}

impl Reading {
    fn fault(&self, why: impl Into<String>) -> Error {
        Error::Read(ReadError {
            topic: self.partition.topic.clone(),
            partition: self.partition.number,
            offset: self.position.next(),
            why: why.into(),
        })
    }

    /// Records the offset after all messages that were read or skipped.
    fn passed(&mut self, next: i64) {
        if self.position.next().is_none_or(|known| known < next) {
            self.position = KafkaPosition::at(next);
        }
    }

    /// Whether everything requested was read.
    fn is_at_end(&self) -> bool {
        self.end
            .is_some_and(|end| end <= 0 || self.position.next().is_some_and(|next| next >= end))
    }

    /// Handles an event other than a message.
    fn failed(&mut self, error: &KafkaError) -> Result<(), Error> {
        let text = self.client.context().take_last();
        let code = match error {
            KafkaError::PartitionEOF(_) => {
                // After the last message there may be transaction markers, which are never delivered.
                if let Some(offset) = text.as_deref().and_then(end_offset) {
                    self.passed(offset);
                }
                return Ok(());
            }
            error => error.rdkafka_error_code(),
        };
        let why = || text.clone().unwrap_or_else(|| error.to_string());
        match code {
            Some(code) if is_transient(code) => Ok(()),
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                self.lost_offset(why())
            }
            Some(
                RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownPartition,
            ) => Err(self.fault("it is not there any more: the topic was deleted, or made anew")),
            _ => Err(self.fault(why())),
        }
    }

    /// The messages at the position are gone.
    fn lost_offset(&mut self, why: String) -> Result<(), Error> {
        let TopicPartition { topic, number } = &self.partition;
        let offset = self.position.next().unwrap_or_default();
        let lost = |why| Error::LostOffset {
            topic: topic.clone(),
            partition: *number,
            offset,
            why,
        };
        let (to, what) = match self.options.lost_offset {
            LostOffset::Fail => return Err(lost(why)),
            LostOffset::Beginning => (Offset::Beginning, "the first message there is"),
            LostOffset::End => (Offset::End, "the end"),
        };
        let next = self.client.offset(&self.partition, to, &[])?;
        let moved = self.client.read_from(&self.partition, next);
        moved.map_err(|error| lost(error.to_string()))?;
        self.client.context().note(&format!(
            "Kafka: the messages at offset {offset} of the topic `{topic}`, partition {number}, are gone; reading \
             continues at {what}, offset {next}"
        ));
        self.position = KafkaPosition::at(next);
        Ok(())
    }

    fn message(&self, read: &BorrowedMessage<'_>) -> KafkaMessage {
        let headers = read.headers().map_or_else(Vec::new, |headers| {
            let owned = |header: rdkafka::message::Header<'_, &[u8]>| {
                (header.key.to_owned(), header.value.map(<[u8]>::to_vec))
            };
            headers.iter().map(owned).collect()
        });
        KafkaMessage {
            key: read.key().map(<[u8]>::to_vec),
            value: read.payload().map(<[u8]>::to_vec),
            headers,
            timestamp: read.timestamp().to_millis(),
            origin: Some(Origin {
                topic: Arc::clone(&self.topic),
                partition: self.partition.number,
                offset: read.offset(),
            }),
            way: None,
        }
    }
}

/// The offset in the event for the end of a partition.
fn end_offset(text: &str) -> Option<i64> {
    let (_, behind) = text.split_once("end of partition at offset ")?;
    let digits = behind.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

impl<A: Answer> StatefulSourcePartition for KafkaPartition<A> {
    type Item = A::Item;
    type Position = KafkaPosition;

    fn next_batch(&mut self) -> Result<Poll<A::Item>, StepError> {
        let Self { queue, reading, .. } = self;
        if let Some(fault) = reading.fault.take() {
            return Ok(Poll::item(A::bad(fault)?));
        }
        if reading.has_ended {
            return Ok(Poll::end());
        }
        reading.client.serve(&reading.options.settings.brokers)?;
        let mut items = Vec::new();
        let mut bytes = 0;
        while !reading.is_at_end() {
            if items.len() >= reading.options.batch_messages || bytes >= BATCH_BYTES {
                return Ok(Poll::batch(items));
            }
            match queue.poll(Duration::ZERO) {
                Some(Ok(read)) => {
                    let offset = read.offset();
                    if reading.position.next().is_some_and(|next| offset < next) {
                        continue;
                    }
                    if reading.end.is_some_and(|end| offset >= end) {
                        // Later messages are for another run.
                        reading.position = KafkaPosition::at(offset);
                        break;
                    }
                    bytes += MESSAGE_BYTES + read.key_len() + read.payload_len();
                    items.push(A::good(reading.message(&read)));
                    reading.position = KafkaPosition::at(offset + 1);
                }
                Some(Err(error)) => {
                    if let Err(fault) = reading.failed(&error) {
                        if items.is_empty() {
                            return Ok(Poll::item(A::bad(fault)?));
                        }
                        reading.fault = Some(fault);
                        return Ok(Poll::batch(items));
                    }
                }
                None if items.is_empty() => return Ok(Poll::until_woken()),
                None => return Ok(Poll::batch(items)),
            }
        }
        reading.has_ended = true;
        reading.client.stop(&reading.partition);
        match items.is_empty() {
            true => Ok(Poll::end()),
            false => Ok(Poll::batch(items)),
        }
    }

    fn snapshot(&self) -> KafkaPosition {
        self.reading.position
    }

    /// From the client's last report.
    fn lag(&self) -> Option<Lag> {
        let Reading {
            client,
            partition,
            position,
            ..
        } = &self.reading;
        let extent = client
            .context()
            .extent(&partition.topic, partition.number)?;
        let read = position.next().or(extent.begin)?;
        let behind = extent.end.saturating_sub(read);
        Some(Lag::Messages(u64::try_from(behind).unwrap_or(0)))
    }

    fn end_epoch(&mut self, epoch: Epoch) -> Result<(), StepError> {
        let Reading {
            epochs, position, ..
        } = &mut self.reading;
        epochs.push_back((epoch, *position));
        Ok(())
    }

    fn completed(&mut self, epoch: Epoch) -> Result<(), StepError> {
        let Reading {
            client,
            partition,
            epochs,
            ..
        } = &mut self.reading;
        let mut complete = None;
        while let Some((_, position)) = epochs.front().filter(|(ended, _)| *ended <= epoch) {
            complete = position.next();
            epochs.pop_front();
        }
        client.completed(partition, complete);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::end_offset;

    #[test]
    fn the_end_in_words() {
        let text = "Fetch from broker 1 reached end of partition at offset 42 (HighwaterMark 44)";
        assert_eq!(end_offset(text), Some(42));
        assert_eq!(end_offset("Fetch from broker 1 failed"), None);
    }
}
