use bytewax::prelude::*;

#[stateful(from(VisitsV1))]
struct Visits {
    count: u64,
}

#[stateful]
struct VisitsV1 {
    count: u32,
}

fn main() {}
