use bytewax::prelude::*;
use bytewax::testing::{TestingSink, TestingSource};

fn main() {
    let lines = TestingSink::<String>::new();
    dataflow!("numbers", |flow| {
        let numbers = flow.input(TestingSource::new(vec![1_u64, 2]));
        numbers.output(lines);
    });
}
