use bytewax::prelude::*;

struct File(u64);

#[sink(partition)]
impl File {
    fn snapshot(&mut self) -> u64 {
        self.0
    }
}

fn main() {}
