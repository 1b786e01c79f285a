use bytewax::prelude::*;

#[source]
fn ticks(last: u64) -> u64 {
    last
}

fn main() {
    let _flow = Dataflow::build("f", |flow| {
        flow.input(ticks(3)).named("in").inspect_debug();
    });
}
