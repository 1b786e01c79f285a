use bytewax::prelude::*;

#[operator]
fn tap(up: Stream<u8>) {}

fn main() {
    let _ = tap;
}
