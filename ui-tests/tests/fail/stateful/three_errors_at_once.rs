use bytewax::prelude::*;

#[stateful(version = 1, from(VisitsV1), read(1))]
struct Visits {
    #[serde(flatten)]
    rest: Rest,
}

#[stateful]
struct Rest {
    count: u64,
}

fn main() {}
