use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn main() {
    let _flow = dataflow!("f", |flow| {
        let lines = flow.input(TestingSource::new(["a b"]));
        let lengths = lines.map(|line| line.len());
        lines.output(StdOutSink::new());
        lengths.output(StdOutSink::new());
    });
}
