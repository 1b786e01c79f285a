use bytewax::prelude::*;
use bytewax::source::Poll;

#[source]
fn ticks(#[resume] next: u64) -> Poll<u64> {
    Poll::item(next)
}

fn main() {
    let _flow = Dataflow::build("f", |flow| {
        flow.input(ticks()).named("in").inspect_debug();
    });
}
