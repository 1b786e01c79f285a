use bytewax::prelude::*;

#[stateful(version = 20260101)]
struct Visits {
    count: u64,
}

fn main() {}
