use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

pub(super) fn main() {
    let flow = dataflow!("scoped", |flow| {
        flow.moved("eu", "europe");
        flow.scope("europe", || {
            let numbers = flow.input(TestingSource::new([(1_u64, 2_u64)]));
            numbers.output(StdOutSink::debug());
        });
    });
    let ids: Vec<_> = flow.step_ids().iter().map(ToString::to_string).collect();
    assert_eq!(ids, ["scoped.eu.numbers.input", "scoped.eu.numbers.output"]);
}
