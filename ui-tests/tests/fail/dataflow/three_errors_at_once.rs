use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn main() {
    let _flow = dataflow!("f", |flow| {
        let numbers = flow
            .input(TestingSource::new(vec![1_u64, 2]))
            .named("all numbers");
        let small = numbers.clone().filter(|n| *n < 3);
        numbers.clone().map(|n| n + 1);
        numbers.output(StdOutSink::new());
    });
}
