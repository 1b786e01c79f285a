use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

pub(super) fn main() {
    let _flow = dataflow!("f", |flow| {
        let all: Vec<_> = ["eu", "us"]
            .iter()
            .map(|name| flow.scope(name, || flow.input(TestingSource::new(vec![1_u64, 2]))))
            .collect();
        let merged = flow.merge(all);
        merged.output(StdOutSink::new());
    });
}
