use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn main() {
    let _flow = dataflow!("f", |flow| {
        let lines = flow.input(TestingSource::new(["a b"]));
        let mut seen = 0;
        let counts = lines.map(move |_| {
            seen += 1;
            seen
        });
        counts.output(StdOutSink::new());
    });
}
