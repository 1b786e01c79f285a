use bytewax::prelude::*;
use bytewax::testing::TestingSource;

#[operator(method = Numbers)]
fn numbers(flow: &Flow, last: u8) -> Stream<u8> {
    flow.input(TestingSource::new(1..=last))
}

fn main() {
    let _ = numbers;
}
