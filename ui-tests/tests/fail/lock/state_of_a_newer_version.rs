use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

#[stateful]
#[derive(Default)]
struct Cart {
    cents: u64,
    count: u64,
}

#[stateful]
impl Cart {
    fn on_item(&mut self, n: u64, out: &mut Emit<u64>) -> Keep {
        self.cents += n;
        out.emit(self.cents);
        Keep::Yes
    }
}

fn main() {
    let _flow = dataflow!("newer", |flow| {
        let numbers = flow.input(TestingSource::new([(1_u64, 2_u64)]));
        let carts = numbers.stateful::<Cart>();
        carts.output(StdOutSink::debug());
    });
}
