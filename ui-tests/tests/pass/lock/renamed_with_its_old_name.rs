use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

pub(super) fn main() {
    let _flow = dataflow!("sums", |flow| {
        let numbers = flow.input(TestingSource::new([(1_u64, 2_u64)]));
        let totals = numbers
            .stateful_map(|sum: &mut u64, n| *sum + n)
            .named("sums.stateful_map");
        totals.output(StdOutSink::debug()).named("sums.output");
    });
}
