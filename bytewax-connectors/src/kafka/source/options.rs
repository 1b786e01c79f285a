//! The settings of a source.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::config::ClientConfig;

use super::super::error::Error;
use super::super::settings::Settings;
use super::super::statistics::KafkaStatistics;
use super::topics::{Selection, TopicPartition};

/// The kilobytes of messages that a consumer prefetches at most, over all its partitions.
const READY_KIB: usize = 64 << 10;

/// The group of a consumer that commits nothing. It never joins it.
const NO_GROUP: &str = "bytewax";

/// Settings that the source controls, with their replacements.
const OWN: &[(&str, &str, &str)] = &[
    (
        "enable.auto.commit",
        "false",
        "set `group.id`, and offsets are committed after each epoch",
    ),
    (
        "enable.auto.offset.store",
        "false",
        "set `group.id`, and offsets are committed after each epoch",
    ),
    (
        "auto.offset.reset",
        "error",
        "use `from_end`, `from_time` or `from_offsets` for the start, and `on_lost_offset` for offsets that are gone",
    ),
    ("enable.partition.eof", "true", "use `stop_at_end`"),
];

/// The start of a partition without a saved position.
#[derive(Clone, Debug)]
pub(super) enum Start {
    Beginning,
    End,
    /// The first message of this time or later, in milliseconds.
    Time(i64),
    /// Other partitions start at their beginning.
    Offsets(BTreeMap<TopicPartition, i64>),
}

/// The reaction to a saved position whose messages are gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LostOffset {
    /// The run fails.
    #[default]
    Fail,
    /// Continues at the first existing message, and logs a warning.
    Beginning,
    /// Continues after the last message, and logs a warning.
    End,
}

#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) settings: Settings,
    pub(super) selection: Selection,
    pub(super) start: Start,
    pub(super) stop_at_end: bool,
    pub(super) lost_offset: LostOffset,
    pub(super) list_every: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) batch_messages: usize,
    pub(super) statistics: Option<KafkaStatistics>,
}

impl Options {
    /// The settings of a client that reads some of this many partitions.
    pub(super) fn consumer_config(&self, partitions: usize) -> Result<ClientConfig, Error> {
        // Each partition has its own queue.
        let ready = (READY_KIB / partitions.max(1)).max(1 << 10).to_string();
        let defaults = [
            ("group.id", NO_GROUP),
            ("queued.max.messages.kbytes", ready.as_str()),
            // For the lag.
            ("statistics.interval.ms", "1000"),
        ];
        self.settings.config(&defaults, OWN)
    }

    /// The settings of a client that lists topics and partitions.
    pub(super) fn listing_config(&self) -> Result<ClientConfig, Error> {
        let mut config = self.settings.config(&[], OWN)?;
        config.remove("group.id");
        config.remove("statistics.interval.ms");
        Ok(config)
    }
}

impl Options {
    /// The partitions that exist now.
    pub(super) fn list(
        &self,
        consumer: &rdkafka::consumer::BaseConsumer<super::super::context::Context>,
    ) -> Result<Vec<TopicPartition>, Error> {
        let Self {
            selection,
            settings,
            ..
        } = self;
        selection.list(consumer, &settings.brokers, self.list_every)
    }
}
