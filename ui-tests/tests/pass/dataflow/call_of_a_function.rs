use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn below(numbers: Stream<u64>, limit: u64) -> Stream<u64> {
    numbers.filter(move |n| *n < limit)
}

pub(super) fn main() {
    let _flow = dataflow!("f", |flow| {
        let numbers = flow.input(TestingSource::new(vec![1_u64, 2]));
        let small = below(numbers.map(|n| n + 1), 3);
        small.output(StdOutSink::new());
    });
}
