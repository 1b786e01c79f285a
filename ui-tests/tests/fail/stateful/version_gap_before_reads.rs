use bytewax::prelude::*;

#[stateful(version = 2)]
struct VisitsV2(u32);

#[stateful(version = 3, from(VisitsV2), reads(2))]
struct Visits(u64, #[serde(default)] u64);

impl From<VisitsV2> for Visits {
    fn from(old: VisitsV2) -> Self {
        Visits(old.0.into(), 0)
    }
}

fn main() {}
