use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

#[derive(Clone)]
struct Part(#[expect(dead_code)] u64);

fn main() {
    let _flow = dataflow!("f", |flow| {
        let numbers = flow.input(TestingSource::new(vec![1_u64, 2]));
        let parts = numbers.map(|n| Part(n));
        parts.output(StdOutSink::new());
    });
}
