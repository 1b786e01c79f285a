use bytewax::prelude::*;

#[operator]
struct Dedupe;

fn main() {
    let _ = Dedupe;
}
