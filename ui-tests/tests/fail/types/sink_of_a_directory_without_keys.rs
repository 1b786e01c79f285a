use bytewax::connectors::files::DirSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn main() {
    dataflow!("numbers", |flow| {
        let numbers = flow.input(TestingSource::new(vec![1_u64, 2]));
        numbers.output(DirSink::new("numbers", 2));
    });
}
