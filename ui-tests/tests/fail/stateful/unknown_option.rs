use bytewax::prelude::*;

#[stateful(verison = 2)]
struct Visits {
    count: u64,
}

fn main() {}
