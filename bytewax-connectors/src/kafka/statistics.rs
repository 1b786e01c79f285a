//! Statistics of clients.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;

/// The statistics of the partitions that the clients of a source or a sink read or write.
///
/// Pass it to [`KafkaSource::statistics`](super::KafkaSource::statistics) or
/// [`KafkaSink::statistics`](super::KafkaSink::statistics). Any thread of the process can read it while the
/// flow runs. Clients report every second; the setting `statistics.interval.ms` changes this. The report of a
/// client is removed when the client closes.
///
/// # Examples
///
/// ```
/// use bytewax_connectors::kafka::{KafkaSource, KafkaStatistics};
///
/// let statistics = KafkaStatistics::new();
/// let source = KafkaSource::new("localhost:9092", ["orders"]).statistics(&statistics);
/// # let _ = source;
/// // While the flow runs:
/// for partition in statistics.partitions() {
///     println!("{} {}: {:?} behind", partition.topic, partition.number, partition.lag);
/// }
/// ```
#[derive(Clone, Default)]
pub struct KafkaStatistics {
    /// By the number of the client.
    clients: Arc<Mutex<HashMap<u64, Vec<PartitionStatistics>>>>,
}

/// The statistics of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionStatistics {
    /// The topic.
    pub topic: String,
    /// The number of the partition.
    pub number: i32,
    /// The number of messages after the last one read; `None` until it is known, and for a sink.
    pub lag: Option<u64>,
    /// The number of messages in the client: fetched and not yet read, or to be sent.
    pub queued_messages: u64,
    /// The bytes of these messages.
    pub queued_bytes: u64,
    /// The number of fetched or sent messages.
    pub messages: u64,
    /// The bytes of fetched or sent messages.
    pub bytes: u64,
}

impl KafkaStatistics {
    /// Creates empty statistics.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the last reports of all partitions, in order. Numbers of clients that write to the same
    /// partition are summed.
    #[must_use]
    pub fn partitions(&self) -> Vec<PartitionStatistics> {
        let mut all: BTreeMap<(String, i32), PartitionStatistics> = BTreeMap::new();
        for one in self.clients().values().flatten() {
            let sum = all.entry((one.topic.clone(), one.number));
            let sum = sum.or_insert_with(|| PartitionStatistics {
                topic: one.topic.clone(),
                number: one.number,
                ..PartitionStatistics::default()
            });
            sum.lag = sum.lag.or(one.lag);
            sum.queued_messages += one.queued_messages;
            sum.queued_bytes += one.queued_bytes;
            sum.messages += one.messages;
            sum.bytes += one.bytes;
        }
        all.into_values().collect()
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<u64, Vec<PartitionStatistics>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The receiver of a client's reports.
    pub(super) fn reporter(&self) -> Reporter {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Reporter {
            statistics: self.clone(),
            client: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for KafkaStatistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.partitions()).finish()
    }
}

/// The receiver of one client's reports, which are removed with it.
pub(super) struct Reporter {
    statistics: KafkaStatistics,
    client: u64,
}

impl Reporter {
    pub(super) fn report(&self, partitions: Vec<PartitionStatistics>) {
        self.statistics.clients().insert(self.client, partitions);
    }

    pub(super) fn forget(&self) {
        self.statistics.clients().remove(&self.client);
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.forget();
    }
}

#[derive(Deserialize)]
struct Reported {
    #[serde(default)]
    topics: HashMap<String, ReportedTopic>,
}

#[derive(Deserialize)]
struct ReportedTopic {
    #[serde(default)]
    partitions: HashMap<String, ReportedPartition>,
}

/// For a producer, the first two queues contain the messages to send; for a consumer, the third contains the
/// fetched ones.
#[derive(Deserialize)]
#[serde(default)]
struct ReportedPartition {
    partition: i32,
    msgq_cnt: u64,
    msgq_bytes: u64,
    xmit_msgq_cnt: u64,
    xmit_msgq_bytes: u64,
    fetchq_cnt: u64,
    fetchq_size: u64,
    txmsgs: u64,
    txbytes: u64,
    rxmsgs: u64,
    rxbytes: u64,
    app_offset: i64,
    lo_offset: i64,
    hi_offset: i64,
    ls_offset: i64,
}

impl Default for ReportedPartition {
    fn default() -> Self {
        Self {
            partition: -1,
            msgq_cnt: 0,
            msgq_bytes: 0,
            xmit_msgq_cnt: 0,
            xmit_msgq_bytes: 0,
            fetchq_cnt: 0,
            fetchq_size: 0,
            txmsgs: 0,
            txbytes: 0,
            rxmsgs: 0,
            rxbytes: 0,
            app_offset: -1,
            lo_offset: -1,
            hi_offset: -1,
            ls_offset: -1,
        }
    }
}

/// The unread messages of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) begin: Option<i64>,
    pub(super) end: i64,
}

impl ReportedPartition {
    /// Messages of open transactions cannot be read.
    fn extent(&self) -> Option<Extent> {
        let known = |offset: i64| (offset >= 0).then_some(offset);
        Some(Extent {
            begin: known(self.lo_offset),
            end: known(self.ls_offset).or(known(self.hi_offset))?,
        })
    }

    fn lag(&self) -> Option<u64> {
        let Extent { begin, end } = self.extent()?;
        let read = match self.app_offset {
            0.. => self.app_offset,
            _ => begin?,
        };
        Some(u64::try_from(end - read).unwrap_or(0))
    }
}

/// A client's report, by partition.
pub(super) fn parse(text: &[u8]) -> Option<Vec<(PartitionStatistics, Option<Extent>)>> {
    let reported: Reported = serde_json::from_slice(text).ok()?;
    let partitions = reported.topics.into_iter().flat_map(|(topic, reported)| {
        let partitions = reported.partitions.into_values();
        partitions.map(move |partition| (topic.clone(), partition))
    });
    // A negative number represents messages without a chosen partition.
    let partitions = partitions.filter(|(_, partition)| partition.partition >= 0);
    let partitions = partitions.map(|(topic, it)| {
        let statistics = PartitionStatistics {
            topic,
            number: it.partition,
            lag: it.lag(),
            queued_messages: it.msgq_cnt + it.xmit_msgq_cnt + it.fetchq_cnt,
            queued_bytes: it.msgq_bytes + it.xmit_msgq_bytes + it.fetchq_size,
            messages: it.txmsgs + it.rxmsgs,
            bytes: it.txbytes + it.rxbytes,
        };
        (statistics, it.extent())
    });
    Some(partitions.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read_and_added_up() {
        let text = br#"{"name": "rdkafka#consumer-1", "msg_cnt": 3, "topics": {"orders": {"topic": "orders", "partitions": {
            "0": {"partition": 0, "fetchq_cnt": 5, "fetchq_size": 500, "app_offset": 10, "lo_offset": 2, "hi_offset": 20, "ls_offset": 15,
                  "rxmsgs": 8, "rxbytes": 800},
            "1": {"partition": 1, "app_offset": -1001, "lo_offset": 4, "hi_offset": 9, "ls_offset": -1001},
            "2": {"partition": 2, "msgq_cnt": 1, "xmit_msgq_cnt": 2, "msgq_bytes": 10, "xmit_msgq_bytes": 20, "txmsgs": 7, "txbytes": 70},
            "-1": {"partition": -1, "msgq_cnt": 4}}}}}"#;
        let mut parsed = parse(text).unwrap();
        parsed.sort_by_key(|(partition, _)| partition.number);
        let extents: Vec<_> = parsed.iter().map(|(_, extent)| *extent).collect();
        let extent = |begin, end| {
            Some(Extent {
                begin: Some(begin),
                end,
            })
        };
        assert_eq!(extents, [extent(2, 15), extent(4, 9), None]);
        let parsed: Vec<_> = parsed.into_iter().map(|(partition, _)| partition).collect();
        let lags: Vec<_> = parsed.iter().map(|partition| partition.lag).collect();
        assert_eq!(lags, [Some(5), Some(5), None]);

        let statistics = KafkaStatistics::new();
        let (one, other) = (statistics.reporter(), statistics.reporter());
        one.report(parsed.clone());
        other.report(parsed[2..].to_vec());
        let all = statistics.partitions();
        let numbers = |it: &PartitionStatistics| {
            (
                it.number,
                it.queued_messages,
                it.queued_bytes,
                it.messages,
                it.bytes,
            )
        };
        let all: Vec<_> = all.iter().map(numbers).collect();
        assert_eq!(
            all,
            [(0, 5, 500, 8, 800), (1, 0, 0, 0, 0), (2, 6, 60, 14, 140)]
        );
        drop(one);
        assert_eq!(statistics.partitions().len(), 1);
        assert_eq!(parse(b"{"), None);
    }
}
