use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn main() {
    let _flow = dataflow!("scoped", |flow| {
        flow.scope("europe", || {
            let numbers = flow.input(TestingSource::new([(1_u64, 2_u64)]));
            numbers.output(StdOutSink::debug());
        });
    });
}
