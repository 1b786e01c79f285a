use bytewax::prelude::*;

fn main() {
    let _flow = dataflow!("f", |_flow: &Flow| {}, 5);
}
