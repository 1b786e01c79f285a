use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn main() {
    let _flow = dataflow!("f", |flow| {
        let numbers = flow.input(TestingSource::new(vec![1_u64, 2]));
        let keyed = numbers.key_on(|n| *n as f64);
        let count = keyed.key_rm();
        count.output(StdOutSink::debug());
    });
}
