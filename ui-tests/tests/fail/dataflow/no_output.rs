use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn main() {
    let _flow = dataflow!("f", |flow| {
        let _up = flow
            .input(TestingSource::new(vec![1_u64, 2]))
            .map(|n| n + 1);
    });
}
