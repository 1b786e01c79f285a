use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn main() {
    let _flow = dataflow!("f", |flow| {
        let open = |start: u64| flow.input(TestingSource::new(vec![start]));
        let all = flow.merge(vec![open(1), open(10)]);
        all.output(StdOutSink::new());
    });
}
