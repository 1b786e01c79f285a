use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;

fn main() {
    let _flow = dataflow!("f", |flow| {
        let numbers = flow.input(vec![1_u64, 2]);
        numbers.output(StdOutSink::new());
    });
}
