use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

#[stateful(verison = 2)]
#[derive(Default)]
struct Visits(u64);

fn main() {
    let _flow = dataflow!("f", |flow| {
        let keyed = flow.input(TestingSource::new(vec![1_u64, 2])).key_on(|n| *n);
        let total = keyed.stateful_map(|visits: &mut Visits, n| {
            visits.0 += n;
            visits.0
        });
        total.output(StdOutSink::debug());
    });
}
