use std::num::ParseIntError;

use bytewax::{Epoch, StepError, StepId, WorkerIndex};
use bytewax::prelude::*;
use bytewax::source::Poll;

use bytewax::testing::{TestingSink, run_main};

/// One item for each word, of any type that can be read from one.
#[source]
pub fn words<T: std::str::FromStr + 'static>(
    text: &str,
    #[local(text.split(' ').map(str::to_owned).rev().collect())] left: &mut Vec<String>,
    #[resume] seen: &mut u64,
) -> Result<Poll<T>, T::Err>
where
    T::Err: std::error::Error + Send + Sync,
{
    *seen += 1;
    left.pop().map_or(Ok(Poll::end()), |word| Ok(Poll::item(word.parse()?)))
}

/// `N` items at a time.
#[source]
fn list<T, const N: usize>(items: &[T], #[resume] next: &mut u64) -> Poll<T>
where
    T: Clone + Send + Sync + 'static,
{
    let first = usize::try_from(*next).unwrap();
    let items = items.iter().skip(first).take(N).cloned().collect::<Vec<_>>();
    *next += items.len() as u64;
    if items.is_empty() { Poll::end() } else { Poll::batch(items) }
}

struct Workers;

struct Part {
    worker: Option<usize>,
}

#[source]
impl Workers {
    fn build(&self, _: &StepId, worker: WorkerIndex, _: usize) -> Result<Part, ParseIntError> {
        Ok(Part { worker: Some(worker.to_string().parse()?) })
    }
}

#[source(partition)]
impl Part {
    fn next_batch(&mut self) -> Poll<usize> {
        self.worker.take().map_or(Poll::end(), Poll::item)
    }

    fn end_epoch(&mut self, epoch: Epoch) {
        assert_eq!(epoch, Epoch::FIRST);
    }

    fn completed(&mut self, epoch: Epoch) -> Result<(), StepError> {
        match epoch {
            Epoch::FIRST => Ok(()),
            _ => Err(StepError::msg("there is one epoch")),
        }
    }
}

pub(super) fn main() {
    let out = TestingSink::new();
    let flow = dataflow!("f", |flow| {
        let numbers = flow.input(words::<usize>("3 4".to_owned()));
        let workers = flow.input(Workers);
        let listed = flow.input(list::<_, 2>(vec![7, 8, 9]));
        let all = flow.merge([numbers, workers, listed]);
        all.output(out.clone());
    });
    run_main(flow).unwrap();
    assert_eq!(out.sorted(), [0, 3, 4, 7, 8, 9]);
}
