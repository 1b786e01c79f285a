use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn main() {
    let _flow = dataflow!("f", |flow| {
        let numbers = flow.input(TestingSource::new(vec![1_u64, 2]));
        let big = numbers.clone().fliter(|n| *n > 3);
        let more = big.map(|n| n + 1).filter(|n| *n > 5);
        let most = flow.merge(vec![more, numbers]);
        most.output(StdOutSink::new());
    });
}
