use bytewax::prelude::*;

#[stateful]
enum Place {
    Nowhere,
    #[serde(skip)]
    Cached(u64),
    Room(u32),
}

fn main() {}
