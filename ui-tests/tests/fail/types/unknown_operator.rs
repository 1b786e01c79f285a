use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn main() {
    let _flow = dataflow!("f", |flow| {
        let lines = flow.input(TestingSource::new(["a b"]));
        let words = lines.flatmap(|line| line.split(' '));
        words.output(StdOutSink::new());
    });
}
