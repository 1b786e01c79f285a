use bytewax::prelude::*;

fn main() {
    let _flow = dataflow!("f", |flow| {
        let numbers = flow.input(bytewax::testing::TestingSource::new("1".parse()?));
        numbers.output(bytewax::connectors::stdio::StdOutSink::new());
    });
}
