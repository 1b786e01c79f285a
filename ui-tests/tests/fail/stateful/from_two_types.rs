use bytewax::prelude::*;

#[stateful(version = 3, from(VisitsV2, VisitsV1))]
struct Visits {
    count: u64,
}

fn main() {}
