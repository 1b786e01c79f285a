use bytewax::prelude::*;

#[stateful(version = 0)]
struct Visits {
    count: u64,
}

fn main() {}
