//! A source made of one function, as `#[source]` writes it.

use std::marker::PhantomData;
use std::sync::Arc;

use super::{FixedPartitionedSource, Poll, StatefulSourcePartition};
use crate::error::StepError;
use crate::state::State;

/// A source of one partition, which is called like the function.
///
/// `local` makes what is kept while the partition is open, and `poll` is called for each batch with
/// the position and that.
#[doc(hidden)]
pub fn source_fn<T, P, L, M, F>(
    name: &'static str,
    local: M,
    poll: F,
) -> impl FixedPartitionedSource<Item = T, Position = P> + Clone
where
    T: 'static,
    P: State + Clone + Default,
    L: 'static,
    M: Fn() -> Result<L, StepError> + Send + Sync + 'static,
    F: Fn(&mut P, &mut L) -> Result<Poll<T>, StepError> + Send + Sync + 'static,
{
    SourceFn {
        name,
        local: Arc::new(local),
        poll: Arc::new(poll),
        kept: PhantomData,
    }
}

struct SourceFn<P, L, M, F> {
    name: &'static str,
    local: Arc<M>,
    poll: Arc<F>,
    kept: PhantomData<fn() -> (P, L)>,
}

impl<P, L, M, F> Clone for SourceFn<P, L, M, F> {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            local: Arc::clone(&self.local),
            poll: Arc::clone(&self.poll),
            kept: PhantomData,
        }
    }
}

impl<T, P, L, M, F> FixedPartitionedSource for SourceFn<P, L, M, F>
where
    T: 'static,
    P: State + Clone + Default,
    L: 'static,
    M: Fn() -> Result<L, StepError> + Send + Sync + 'static,
    F: Fn(&mut P, &mut L) -> Result<Poll<T>, StepError> + Send + Sync + 'static,
{
    type Item = T;
    type Position = P;
    type Partition = Opened<P, L, F>;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(vec![self.name.to_owned()])
    }

    fn open(&self, _: &str, resume: Option<P>) -> Result<Self::Partition, StepError> {
        Ok(Opened {
            position: resume.unwrap_or_default(),
            local: (self.local)()?,
            poll: Arc::clone(&self.poll),
        })
    }
}

struct Opened<P, L, F> {
    position: P,
    local: L,
    poll: Arc<F>,
}

impl<T, P, L, F> StatefulSourcePartition for Opened<P, L, F>
where
    T: 'static,
    P: State + Clone,
    L: 'static,
    F: Fn(&mut P, &mut L) -> Result<Poll<T>, StepError> + 'static,
{
    type Item = T;
    type Position = P;

    fn next_batch(&mut self) -> Result<Poll<T>, StepError> {
        (self.poll)(&mut self.position, &mut self.local)
    }

    fn snapshot(&self) -> P {
        self.position.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_from_its_position_with_a_new_local() {
        let source = source_fn(
            "ticks",
            || Ok(0_u32),
            |next: &mut u64, polls: &mut u32| {
                *polls += 1;
                *next += 1;
                Ok(Poll::item((*next, *polls)))
            },
        );
        assert_eq!(source.partitions().unwrap(), ["ticks"]);
        let mut part = source.open("ticks", None).unwrap();
        assert_eq!(part.next_batch().unwrap().items(), [(1, 1)]);
        assert_eq!(part.next_batch().unwrap().items(), [(2, 2)]);
        let mut part = source.clone().open("ticks", Some(part.snapshot())).unwrap();
        assert_eq!(part.next_batch().unwrap().items(), [(3, 1)]);
    }

    #[test]
    fn fails_with_what_its_local_says() {
        let poll = |(): &mut (), (): &mut ()| Ok(Poll::<u8>::end());
        let source = source_fn("ticks", || Err(StepError::msg("no room")), poll);
        let error = source.open("ticks", None).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "no room");
    }
}
