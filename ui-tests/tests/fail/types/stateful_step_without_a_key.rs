use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn main() {
    let _flow = dataflow!("f", |flow| {
        let numbers = flow.input(TestingSource::new(vec![1_u64, 2]));
        let total = numbers.stateful_map(|sum: &mut u64, n: u64| *sum + n);
        total.output(StdOutSink::new());
    });
}
