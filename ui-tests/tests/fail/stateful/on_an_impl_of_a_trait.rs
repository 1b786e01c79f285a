use bytewax::prelude::*;

#[stateful]
#[derive(Default)]
struct Visits {
    count: u64,
}

#[stateful]
impl StatefulLogic for Visits {
    type In = u64;
    type Out = u64;

    fn on_item(&mut self, n: u64, out: &mut Emit<u64>) -> Keep {
        out.emit(self.count + n);
        Keep::Yes
    }
}

fn main() {}
