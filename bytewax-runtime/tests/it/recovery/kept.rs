//! A source of several lists, and a sink of lists that are cut back to their positions.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex};

use bytewax_runtime::StepError;
use bytewax_runtime::key::Key;
use bytewax_runtime::sink::{FixedPartitionedSink, StatefulSinkPartition};
use bytewax_runtime::source::FixedPartitionedSource;
use bytewax_runtime::testing::{TestingSource, TestingSourcePartition};

/// A source with a partition for each list, named by its number.
#[derive(Clone)]
pub(super) struct Lists<T>(pub(super) Vec<TestingSource<T>>);

impl<T: Clone + Send + Sync + 'static> FixedPartitionedSource for Lists<T> {
    type Item = T;
    type Position = u64;
    type Partition = TestingSourcePartition<T>;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok((0..self.0.len()).map(|list| list.to_string()).collect())
    }

    fn open(&self, partition: &str, resume: Option<u64>) -> Result<Self::Partition, StepError> {
        self.0[partition.parse::<usize>()?].open(partition, resume)
    }
}

/// The lists that a sink has written, by partition.
type Written = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

/// A sink of three lists, each of which is cut back to its position when it is opened: a file, but
/// in memory. Clones share the lists.
#[derive(Clone, Default)]
pub(super) struct KeptSink(Written);

impl KeptSink {
    /// What was written, by what stands before the first space; in order.
    pub(super) fn by_key(&self) -> BTreeMap<String, Vec<String>> {
        let mut by_key: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in self.0.lock().unwrap().values().flatten() {
            let (key, value) = line.split_once(' ').unwrap();
            by_key
                .entry(key.to_owned())
                .or_default()
                .push(value.to_owned());
        }
        by_key
    }
}

pub(super) struct KeptList {
    written: Written,
    name: String,
}

impl<K: Key, V: Display + 'static> FixedPartitionedSink<K, V> for KeptSink {
    type Position = u64;
    type Partition = KeptList;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(["x", "y", "z"].map(str::to_owned).to_vec())
    }

    fn open(&self, partition: &str, resume: Option<u64>) -> Result<KeptList, StepError> {
        let length = resume.unwrap_or(0) as usize;
        let mut lists = self.0.lock().unwrap();
        let list = lists.entry(partition.to_owned()).or_default();
        assert!(list.len() >= length, "what was saved had been written");
        list.truncate(length);
        Ok(KeptList {
            written: Arc::clone(&self.0),
            name: partition.to_owned(),
        })
    }
}

impl<V: Display + 'static> StatefulSinkPartition<V> for KeptList {
    type Position = u64;

    fn write_batch(&mut self, values: Vec<V>) -> Result<(), StepError> {
        let mut lists = self.written.lock().unwrap();
        let list = lists.entry(self.name.clone()).or_default();
        list.extend(values.iter().map(ToString::to_string));
        Ok(())
    }

    fn snapshot(&mut self) -> Result<u64, StepError> {
        Ok(self.written.lock().unwrap()[&self.name].len() as u64)
    }
}
