use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::source::Poll;
use bytewax::testing::TestingSource;

#[source]
fn readings() -> Poll<u64> {
    Poll::item(7)
}

fn main() {
    dataflow!("readings", delivery = at_least_once, |flow| {
        let known = flow.input(TestingSource::new([1_u64]));
        let read = flow.input(readings());
        let all = known.merge(read);
        all.output(StdOutSink::new());
    });
}
