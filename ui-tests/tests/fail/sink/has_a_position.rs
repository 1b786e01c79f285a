use bytewax::prelude::*;
use bytewax::testing::TestingSource;

#[sink]
fn post(items: Vec<String>, #[resume] seen: &mut usize) {
    *seen += items.len();
}

fn main() {
    let _flow = Dataflow::build("f", |flow| {
        let texts = flow.input(TestingSource::new(["a".to_owned()])).named("in");
        texts.output(post()).named("out");
    });
}
