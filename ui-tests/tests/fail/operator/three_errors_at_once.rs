use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;

#[operator]
fn parted(left: Stream<u8>, right: Stream<u8>) {
    let small = left.clone().filter(|n| *n < 3);
    left.clone().output(StdOutSink::new());
    left.output(StdOutSink::new());
}

fn main() {
    let _ = parted;
}
