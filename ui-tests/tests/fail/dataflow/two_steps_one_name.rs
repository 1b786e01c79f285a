use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn main() {
    let _flow = dataflow!("f", |flow| {
        let a = flow.input(TestingSource::new(vec![1_u64, 2])).named("inp");
        let b = flow.input(TestingSource::new(vec![1_u64, 2])).named("inp");
        a.output(StdOutSink::new());
        b.output(StdOutSink::new());
    });
}
