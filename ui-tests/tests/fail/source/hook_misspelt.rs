use bytewax::prelude::*;
use bytewax::source::Poll;

struct Ticks;

struct Tick(u64);

#[source]
impl Ticks {
    fn partition(&self) -> Vec<String> {
        Vec::new()
    }

    fn open(&self, _: &str, resume: Option<u64>) -> Tick {
        Tick(resume.unwrap_or(0))
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

fn main() {
    let _flow = Dataflow::build("f", |flow| {
        flow.input(Ticks).named("in").inspect_debug();
    });
}
