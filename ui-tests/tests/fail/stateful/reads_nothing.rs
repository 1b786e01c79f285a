use bytewax::prelude::*;

#[stateful(version = 2, reads())]
struct Visits {
    count: u64,
    #[serde(default)]
    last: Option<u64>,
}

fn main() {}
