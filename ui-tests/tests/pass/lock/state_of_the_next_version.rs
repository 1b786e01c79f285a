use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

#[stateful(version = 2, from(OldCart))]
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

#[stateful]
struct OldCart {
    cents: u64,
}

impl From<OldCart> for Cart {
    fn from(old: OldCart) -> Self {
        Cart {
            cents: old.cents,
            count: 1,
        }
    }
}

pub(super) fn main() {
    let _flow = dataflow!("carts", |flow| {
        let numbers = flow.input(TestingSource::new([(1_u64, 2_u64)]));
        let carts = numbers.stateful::<Cart>();
        carts.output(StdOutSink::debug());
    });
}
