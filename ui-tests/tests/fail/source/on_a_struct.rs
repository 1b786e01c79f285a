use bytewax::prelude::*;

#[source]
struct Ticks;

fn main() {
    let _ = Ticks;
}
