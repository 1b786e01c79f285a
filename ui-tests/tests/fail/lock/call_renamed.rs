use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

#[operator]
fn kept(all: KeyedStream<u64, u64>) -> KeyedStream<u64, u64> {
    all.stateful_map(|sum: &mut u64, n| *sum + n)
}

fn main() {
    let _flow = dataflow!("call", |flow| {
        let numbers = flow.input(TestingSource::new([(1_u64, 2_u64)]));
        let new = kept(numbers);
        new.output(StdOutSink::debug()).named("fresh.output");
    });
}
