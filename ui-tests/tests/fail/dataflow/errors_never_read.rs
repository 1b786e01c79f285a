use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn main() {
    let _flow = dataflow!("f", |flow| {
        let texts = flow.input(TestingSource::new(["1"]));
        let numbers = texts.try_map(|text| text.parse::<u8>());
        numbers.oks.output(StdOutSink::new());
    });
}
