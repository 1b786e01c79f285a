use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn main() {
    let _flow = dataflow!("sums", |flow| {
        flow.moved("sums.stateful_map", "total.stateful_map");
        let numbers = flow.input(TestingSource::new([(1_u64, 2_u64)]));
        let totals = numbers.stateful_map(|sum: &mut u64, n| *sum + n);
        totals.output(StdOutSink::debug()).named("sums.output");
    });
}
