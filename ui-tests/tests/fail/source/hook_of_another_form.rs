use bytewax::prelude::*;
use bytewax::source::Poll;

struct Ticks;

struct Tick(u64);

#[source]
impl Ticks {
    fn partitions(&self) -> Vec<String> {
        Vec::new()
    }

    fn open(&self, _: &str, resume: u64) -> Tick {
        Tick(resume)
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
