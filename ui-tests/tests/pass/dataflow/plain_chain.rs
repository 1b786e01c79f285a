use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

pub(super) fn main() {
    let _flow = dataflow!("f", |flow| {
        let numbers = flow.input(TestingSource::new(vec![1_u64, 2]));
        let total = numbers.key_on(|n| *n % 2).stateful_map(|sum: &mut u64, n| {
            *sum += n;
            *sum
        });
        total.output(StdOutSink::debug());
    });
}
