use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn main() {
    let _flow = dataflow!("f", |flow| {
        let numbers = |n| flow.scope("numbers", || flow.input(TestingSource::new([n])));
        let all = flow.merge([numbers(1), numbers(2)]);
        all.output(StdOutSink::new());
    });
}
