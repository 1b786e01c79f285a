use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn main() {
    let _flow = dataflow!("f", |flow| {
        let keyed = flow
            .input(TestingSource::new(vec![1_u64, 2]))
            .key_on(|n| *n);
        let total = keyed
            .stateful_map(|sum: &mut u64, n| *sum + n)
            .stateful_map(|sum: &mut u64, n| *sum + n);
        total.output(StdOutSink::debug());
    });
}
