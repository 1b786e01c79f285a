use bytewax::prelude::*;

#[stateful]
#[derive(Default)]
struct Visits {
    count: u64,
}

#[stateful(version = 2)]
impl Visits {
    const LIMIT: u64 = 3;

    fn on_item(&mut self, n: u64, out: &mut Emit<u64>) -> Keep {
        out.emit(self.count + n);
        Keep::Yes
    }
}

fn main() {}
