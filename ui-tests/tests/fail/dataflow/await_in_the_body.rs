use bytewax::prelude::*;

fn main() {
    let _flow = dataflow!("f", |flow| {
        let numbers = flow.input(bytewax::testing::TestingSource::new(read().await));
        numbers.output(bytewax::connectors::stdio::StdOutSink::new());
    });
}
