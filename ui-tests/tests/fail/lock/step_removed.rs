use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn main() {
    let _flow = dataflow!("sums", |flow| {
        let numbers = flow.input(TestingSource::new([(1_u64, 2_u64)]));
        let sums = numbers.map_value(|n| n + 1);
        sums.output(StdOutSink::debug());
    });
}
