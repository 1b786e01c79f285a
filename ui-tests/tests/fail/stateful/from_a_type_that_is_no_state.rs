use bytewax::prelude::*;

#[stateful(version = 2, from(VisitsV1))]
struct Visits {
    count: u64,
}

struct VisitsV1 {
    count: u32,
}

impl From<VisitsV1> for Visits {
    fn from(old: VisitsV1) -> Self {
        Visits { count: old.count.into() }
    }
}

fn main() {}
