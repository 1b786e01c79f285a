use bytewax::prelude::*;
use bytewax::source::Poll;

#[source]
fn ticks(#[local] next: &mut u64) -> Poll<u64> {
    *next += 1;
    Poll::item(*next)
}

fn main() {
    let _flow = Dataflow::build("f", |flow| {
        flow.input(ticks()).named("in").inspect_debug();
    });
}
