use bytewax::connectors::files::FileSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Sale(u64);

fn main() {
    dataflow!("sales", |flow| {
        let sales = flow.input(TestingSource::new(vec![Sale(1)]));
        sales.output(FileSink::new("sales.txt"));
    });
}
