//! A sink that has each item exactly once, over stops of any kind.

use std::sync::{Arc, Mutex};

use bytewax_runtime::StepError;
use bytewax_runtime::delivery::Transactional;
use bytewax_runtime::sink::{SinglePartitionSink, StatefulSinkPartition};

use crate::shared::sorted;

/// A list that is cut to its saved length when a run resumes.
pub(crate) struct Exact<T>(Arc<Mutex<Vec<T>>>);

impl<T> Exact<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }
}

impl<T> Exact<T> {
    pub(crate) fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl<T: Ord> Exact<T> {
    pub(crate) fn sorted(&self) -> Vec<T> {
        sorted(self.take())
    }
}

impl<T> Clone for Exact<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Send + 'static> SinglePartitionSink<T, Transactional> for Exact<T> {
    type Position = u64;
    type Partition = Self;

    fn partition(&self) -> Result<String, StepError> {
        Ok("list".to_owned())
    }

    fn open(&self, resume: Option<u64>) -> Result<Self, StepError> {
        let length = usize::try_from(resume.unwrap_or_default())?;
        self.0.lock().unwrap().truncate(length);
        Ok(self.clone())
    }
}

impl<T: Send + 'static> StatefulSinkPartition<T> for Exact<T> {
    type Position = u64;

    fn write_batch(&mut self, items: Vec<T>) -> Result<(), StepError> {
        self.0.lock().unwrap().extend(items);
        Ok(())
    }

    fn snapshot(&mut self) -> Result<u64, StepError> {
        Ok(self.0.lock().unwrap().len() as u64)
    }
}
