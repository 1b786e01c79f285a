use bytewax::prelude::*;
use bytewax::source::Poll;

#[source]
fn ticks<'a>(text: &'a str) -> Poll<String> {
    Poll::item(text.to_owned())
}

fn main() {
    let _flow = Dataflow::build("f", |flow| {
        flow.input(ticks("a".to_owned())).named("in").inspect_debug();
    });
}
