use bytewax::prelude::*;
use bytewax::source::Poll;

#[source]
fn ticks(#[resume] next: &mut u64) -> Poll<u64> {
    *next += 1;
    Poll::item(*next)
}

#[sink(idempotent)]
fn upsert(rows: Vec<u64>) {
    let _ = rows;
}

pub(super) fn main() {
    let _flow = dataflow!("rows", delivery = exactly_once, |flow| {
        flow.input(ticks()).output(upsert());
    });
}
