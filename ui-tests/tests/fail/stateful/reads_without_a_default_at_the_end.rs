use bytewax::prelude::*;

#[stateful(version = 2, reads(1))]
struct Visits {
    #[serde(default)]
    last: Option<u64>,
    count: u64,
}

fn main() {}
