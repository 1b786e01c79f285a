use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn main() {
    let _flow = dataflow!("f", |flow| {
        for start in [1_u64, 10] {
            flow.scope("numbers", || {
                let numbers = flow.input(TestingSource::new(vec![start]));
                numbers.output(StdOutSink::new());
            });
        }
    });
}
