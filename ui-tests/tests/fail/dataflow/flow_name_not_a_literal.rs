use bytewax::prelude::*;

const NAME: &str = "f";

fn main() {
    let _flow = dataflow!(NAME, |flow| {});
}
