use bytewax::prelude::*;

#[stateful(version = 2, version = 3)]
struct Visits {
    count: u64,
}

fn main() {}
