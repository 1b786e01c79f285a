//! Loops of the client alone.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::{Copy, Failure, PATIENCE};

/// How many messages are sent before it is looked what has become of them.
const LOOK: usize = 1000;

/// How long a full queue is waited for: the client always waits that long.
const FULL: Duration = Duration::from_millis(1);

fn consumer(brokers: &str, partitions: i32) -> Result<BaseConsumer, Failure> {
    // As much is kept ready as a `KafkaSource` does.
    let ready = (64 << 10) / usize::try_from(partitions)?.max(1);
    Ok(ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "bench")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("queued.max.messages.kbytes", ready.max(1024).to_string())
        .create()?)
}

fn producer(brokers: &str, id: Option<&str>) -> Result<BaseProducer, Failure> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    // As a `KafkaSink` does.
    config.set("enable.idempotence", "true");
    config.set("delivery.report.only.error", "true");
    if let Some(id) = id {
        config.set("transactional.id", id);
    }
    Ok(config.create()?)
}

fn assign(
    consumer: &BaseConsumer,
    topic: &str,
    partitions: i32,
    from: Offset,
) -> Result<(), Failure> {
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, from)?;
    }
    Ok(consumer.assign(&list)?)
}

fn send(producer: &BaseProducer, to: &str, message: &BorrowedMessage<'_>) -> Result<(), Failure> {
    let mut record = BaseRecord::<[u8], [u8]>::to(to);
    record.key = message.key();
    record.payload = message.payload();
    record.timestamp = message.timestamp().to_millis();
    while let Err((error, refused)) = producer.send(record) {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
            return Err(error.into());
        }
        producer.poll(FULL);
        record = refused;
    }
    Ok(())
}

/// Reads all messages of a topic.
fn each(
    consumer: &BaseConsumer,
    partitions: i32,
    mut then: impl FnMut(&BorrowedMessage<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut open = partitions;
    while open > 0 {
        match consumer.poll(PATIENCE) {
            Some(Ok(message)) => then(&message)?,
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => return Err(error.into()),
            None => return Err("no broker answers".into()),
        }
    }
    Ok(())
}

/// Copies messages as they come.
pub(crate) fn append(copy: &Copy<'_>) -> Result<(), Failure> {
    let consumer = consumer(copy.brokers, copy.partitions)?;
    let producer = producer(copy.brokers, None)?;
    assign(&consumer, copy.from, copy.partitions, Offset::Beginning)?;
    let mut sent = 0_usize;
    each(&consumer, copy.partitions, |message| {
        sent += 1;
        if sent.is_multiple_of(LOOK) {
            producer.poll(Duration::ZERO);
        }
        send(&producer, copy.to, message)
    })?;
    Ok(producer.flush(PATIENCE)?)
}

/// Copies messages in transactions, with the offsets of what was read.
pub(crate) fn exactly_once(copy: &Copy<'_>) -> Result<(), Failure> {
    let consumer = consumer(copy.brokers, copy.partitions)?;
    let producer = producer(copy.brokers, Some(copy.to))?;
    producer.init_transactions(PATIENCE)?;
    assign(&consumer, copy.from, copy.partitions, Offset::Beginning)?;
    let mut positions = vec![0; usize::try_from(copy.partitions)?];
    let group = consumer.group_metadata().ok_or("there is no group")?;
    let commit = |positions: &[i64]| -> Result<(), Failure> {
        let mut offsets = TopicPartitionList::new();
        for (partition, offset) in (0..).zip(positions) {
            offsets.add_partition_offset(copy.from, partition, Offset::Offset(*offset))?;
        }
        producer.send_offsets_to_transaction(&offsets, &group, PATIENCE)?;
        Ok(producer.commit_transaction(PATIENCE)?)
    };
    producer.begin_transaction()?;
    let mut begun = Instant::now();
    let mut sent = 0_usize;
    each(&consumer, copy.partitions, |message| {
        sent += 1;
        if sent.is_multiple_of(LOOK) {
            producer.poll(Duration::ZERO);
            if begun.elapsed() >= copy.interval {
                commit(&positions)?;
                producer.begin_transaction()?;
                begun = Instant::now();
            }
        }
        positions[usize::try_from(message.partition())?] = message.offset() + 1;
        send(&producer, copy.to, message)
    })?;
    commit(&positions)
}

/// The time until the first message, of partitions that are read from their second message on.
pub(crate) fn first_message(
    brokers: &str,
    topic: &str,
    partitions: i32,
) -> Result<Duration, Failure> {
    let start = Instant::now();
    let consumer = consumer(brokers, partitions)?;
    assign(&consumer, topic, partitions, Offset::Offset(1))?;
    loop {
        match consumer.poll(PATIENCE) {
            Some(Ok(_)) => return Ok(start.elapsed()),
            Some(Err(KafkaError::PartitionEOF(_))) => {}
            Some(Err(error)) => return Err(error.into()),
            None => return Err("no broker answers".into()),
        }
    }
}
