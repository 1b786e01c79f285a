use bytewax::prelude::*;

#[stateful]
#[derive(Default)]
struct Visits {
    count: u64,
}

fn main() {
    bytewax::testing::run_keyed([(1, 1_u64)], |up| up.stateful::<Visits>().named("x"));
}
