use bytewax::prelude::*;

#[stateful]
struct Visits {
    count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
}

fn main() {}
