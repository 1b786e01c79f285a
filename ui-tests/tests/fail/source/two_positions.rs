use bytewax::prelude::*;
use bytewax::source::Poll;

#[source]
fn ticks(#[resume] next: &mut u64, #[resume] step: &mut u64) -> Poll<u64> {
    *next += *step;
    Poll::item(*next)
}

fn main() {
    let _flow = Dataflow::build("f", |flow| {
        flow.input(ticks()).named("in").inspect_debug();
    });
}
