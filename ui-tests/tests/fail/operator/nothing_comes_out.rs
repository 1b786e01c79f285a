use bytewax::prelude::*;

#[operator]
fn tap(up: Stream<u8>) {
    let _up = up.map(|n| n + 1);
}

fn main() {
    let _ = tap;
}
