use bytewax::prelude::*;
use bytewax::source::Poll;

#[source]
fn ticks(next: &mut u64) -> Poll<u64> {
    *next += 1;
    Poll::item(*next)
}

fn main() {
    let _flow = Dataflow::build("f", |flow| {
        flow.input(ticks(0)).named("in").inspect_debug();
    });
}
