use bytewax::prelude::*;

#[operator]
fn größe(up: Stream<String>) -> Stream<usize> {
    up.map(|text| text.len())
}

fn main() {
    let _ = größe;
}
