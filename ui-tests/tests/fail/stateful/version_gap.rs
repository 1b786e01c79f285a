use bytewax::prelude::*;

#[stateful]
struct VisitsV1 {
    count: u32,
}

#[stateful(version = 3, from(VisitsV1))]
struct Visits {
    count: u64,
}

impl From<VisitsV1> for Visits {
    fn from(old: VisitsV1) -> Self {
        Visits { count: old.count.into() }
    }
}

fn main() {}
