use bytewax::prelude::*;

#[stateful]
#[derive(Default)]
struct Visits {
    count: u64,
}

#[stateful]
impl Visits {
    fn on_item(&mut self, n: u64, out: &mut Emit<u64>) -> Keep {
        out.emit(self.count + n);
        Keep::Yes
    }

    fn on_batch(&mut self, list: Vec<u64>, out: &mut Emit<u64>) -> Keep {
        out.extend(list);
        Keep::Yes
    }
}

fn main() {}
