use bytewax::prelude::*;

#[operator]
async fn next(up: Stream<u8>) -> Stream<u8> {
    up.map(|n| n + 1)
}

fn main() {
    let _: fn(Stream<u8>) -> Stream<u8> = next;
}
