use bytewax::prelude::*;

#[stateful(reads(1))]
struct Visits {
    count: u64,
    #[serde(default)]
    last: Option<u64>,
}

fn main() {}
