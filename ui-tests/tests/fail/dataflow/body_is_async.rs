use bytewax::prelude::*;

fn main() {
    let _flow = dataflow!("f", async |flow| {});
}
