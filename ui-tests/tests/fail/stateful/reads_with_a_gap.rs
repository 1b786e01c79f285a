use bytewax::prelude::*;

#[stateful(version = 4, reads(1, 3))]
struct Visits {
    count: u64,
    #[serde(default)]
    last: Option<u64>,
}

fn main() {}
