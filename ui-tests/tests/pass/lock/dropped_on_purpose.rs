use bytewax::prelude::*;
use bytewax::testing::TestingSource;

pub(super) fn main() {
    let _flow = dataflow!("sums", |flow| {
        flow.dropped("sums.stateful_map", "they were too many");
        flow.dropped("sums.output", "nothing to print");
        flow.scope("more", || flow.input(TestingSource::new([1])).inspect(|_| {}));
        let numbers = flow.input(TestingSource::new([(1_u64, 2_u64)]));
        numbers.inspect_debug();
    });
}
