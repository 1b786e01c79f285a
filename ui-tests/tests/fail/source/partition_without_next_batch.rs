use bytewax::prelude::*;

struct Ticks;

struct Tick(u64);

#[source]
impl Ticks {
    fn partitions(&self) -> Vec<String> {
        Vec::new()
    }

    fn open(&self, _: &str, resume: Option<u64>) -> Tick {
        Tick(resume.unwrap_or(0))
    }
}

#[source(partition)]
impl Tick {
    fn snapshot(&self) -> u64 {
        self.0
    }
}

fn main() {}
