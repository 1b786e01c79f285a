use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn main() {
    let _flow = dataflow!("plain", |flow| {
        let numbers = flow.input(TestingSource::new([(1_u64, 2_u64)]));
        flow.dropped("number.input", "nobody needs numbers");
        numbers.output(StdOutSink::debug());
    });
}
