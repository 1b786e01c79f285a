use bytewax::prelude::*;

#[stateful]
fn count(total: &mut u64) {
    *total += 1;
}

fn main() {}
