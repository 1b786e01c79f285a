use bytewax::prelude::*;
use bytewax::source::Poll;

struct Ticks;

struct Tick(u64);

#[source]
impl bytewax::source::FixedPartitionedSource for Ticks {
    type Item = u64;
    type Position = u64;
    type Partition = Tick;

    fn partitions(&self) -> Result<Vec<String>, bytewax::StepError> {
        Ok(Vec::new())
    }

    fn open(&self, _: &str, _: Option<u64>) -> Result<Tick, bytewax::StepError> {
        Ok(Tick(0))
    }
}

#[source(partition)]
impl Tick {
    fn next_batch(&mut self) -> Poll<u64> {
        Poll::end()
    }

    fn snapshot(&self) -> u64 {
        self.0
    }
}

fn main() {}
