use bytewax::prelude::*;

#[operator]
fn next(up: &Stream<u8>) -> Stream<u8> {
    up.map(|n| n + 1)
}

fn main() {
    let _flow = Dataflow::build("f", |flow| {
        let up = flow.input(bytewax::testing::TestingSource::new([1]));
        next(&up);
    });
}
