use std::sync::mpsc::{Sender, channel};

use bytewax::prelude::*;
use bytewax::testing::{TestingSource, run_main};
use bytewax::{Epoch, StepId, WorkerIndex};

/// Sends the length of each batch, and how many items came before.
#[sink]
fn lengths<T: 'static>(items: Vec<T>, to: &Sender<usize>, #[local(0)] seen: &mut usize) {
    *seen += items.len();
    to.send(*seen).expect("a reader");
}

#[derive(Clone)]
struct Lines {
    to: Sender<usize>,
}

#[sink]
impl Lines {
    fn build(&self, _: &StepId, _: WorkerIndex, _: usize) -> Lines {
        self.clone()
    }
}

#[sink(partition)]
impl Lines {
    fn write_batch(&mut self, items: Vec<u64>) -> Result<(), std::sync::mpsc::SendError<usize>> {
        self.to.send(100 * items.len())
    }

    fn close(&mut self) {
        self.to.send(7).expect("a reader");
    }

    fn end_epoch(&mut self, _: Epoch) {
        self.to.send(8).expect("a reader");
    }

    fn completed(&mut self, epoch: Epoch) -> Result<(), std::sync::mpsc::SendError<usize>> {
        self.to.send(1000 + usize::try_from(epoch.0).expect("a small number"))
    }
}

pub(super) fn main() {
    let (to, lengths_of) = channel();
    let flow = dataflow!("f", |flow| {
        let numbers = flow.input(TestingSource::new([5_u64, 6]).batch_size(2));
        numbers.clone().output(lengths(to.clone())).named("lengths");
        numbers.output(Lines { to });
    });
    run_main(flow).unwrap();
    let mut found: Vec<_> = lengths_of.into_iter().collect();
    found.sort_unstable();
    assert_eq!(found, [2, 7, 8, 200, 1001]);
}
