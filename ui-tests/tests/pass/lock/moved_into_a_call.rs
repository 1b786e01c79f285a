use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

#[operator]
fn kept(all: KeyedStream<u64, u64>) -> KeyedStream<u64, u64> {
    all.stateful_map(|sum: &mut u64, n| *sum + n)
}

pub(super) fn main() {
    let flow = dataflow!("call", |flow| {
        flow.moved("fresh", "new");
        let numbers = flow.input(TestingSource::new([(1_u64, 2_u64)]));
        let new = kept(numbers);
        new.output(StdOutSink::debug()).named("fresh.output");
    });
    let ids: Vec<_> = flow.step_ids().iter().map(ToString::to_string).collect();
    assert!(ids.contains(&"call.fresh.kept.all.stateful_map".to_owned()), "{ids:?}");
}
