use bytewax::prelude::*;
use bytewax::source::Poll;

#[source(partition)]
fn ticks() -> Poll<u64> {
    Poll::end()
}

fn main() {
    let _flow = Dataflow::build("f", |flow| {
        flow.input(ticks()).named("in").inspect_debug();
    });
}
