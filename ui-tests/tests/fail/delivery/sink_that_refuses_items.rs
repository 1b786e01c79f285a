use bytewax::prelude::*;
use bytewax::sink::{RejectingSink, RejectingWriter};
use bytewax::testing::TestingSource;
use bytewax::{Epoch, StepError, StepId, WorkerIndex};

struct Service;

impl RejectingSink<u64> for Service {
    type Writer = Self;

    fn build(&self, _: &StepId, _: WorkerIndex, _: usize) -> Result<Self, StepError> {
        Ok(Self)
    }
}

impl RejectingWriter<u64> for Service {
    fn write_batch(&mut self, _: Vec<u64>) -> Result<(), StepError> {
        Ok(())
    }

    fn end_epoch(&mut self, _: Epoch) -> Result<(), StepError> {
        Ok(())
    }

    fn take_rejected(&mut self) -> Vec<(u64, StepError)> {
        Vec::new()
    }
}

fn main() {
    dataflow!("post", delivery = exactly_once, |flow| {
        let numbers = flow.input(TestingSource::new([1_u64]));
        let posted = numbers.try_output(Service);
        posted.errs.fail();
    });
}
