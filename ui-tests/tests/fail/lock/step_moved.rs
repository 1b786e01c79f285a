use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn main() {
    let _flow = dataflow!("sums", |flow| {
        let numbers = flow.input(TestingSource::new([(1_u64, 2_u64)]));
        let eu = flow.scope("eu", || {
            let sums = numbers.stateful_map(|sum: &mut u64, n| *sum + n);
            sums
        });
        eu.output(StdOutSink::debug()).named("sums.output");
    });
}
