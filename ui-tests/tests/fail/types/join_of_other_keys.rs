use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn main() {
    let _flow = dataflow!("f", |flow| {
        let by_id = flow.input(TestingSource::new([(1_u64, 'a')]));
        let by_name = flow.input(TestingSource::new([("ada".to_owned(), 'a')]));
        let both = by_id.join(by_name);
        both.output(StdOutSink::debug());
    });
}
