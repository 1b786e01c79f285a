use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

pub(super) fn main() {
    let _flow = dataflow!("f", |flow| {
        let numbers = if std::env::args().count() > 1 {
            flow.input(TestingSource::new(vec![1_u64]))
        } else {
            flow.input(TestingSource::new(vec![2_u64]))
        };
        let parts = numbers.branch(|n| *n < 3);
        parts.trues.output(StdOutSink::new());
        let _dropped = parts.falses.map(|n| n + 1);
    });
}
