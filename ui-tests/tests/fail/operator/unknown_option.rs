use bytewax::prelude::*;

#[operator(methud = Next)]
fn next(up: Stream<u8>) -> Stream<u8> {
    up.map(|n| n + 1)
}

fn main() {
    let _ = next;
}
