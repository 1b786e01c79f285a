use bytewax::prelude::*;

#[stateful]
#[derive(Default)]
struct Visits {
    count: u64,
}

#[stateful]
impl Visits {
    fn on_item(self, n: u64, out: &mut Emit<u64>) -> Keep {
        out.emit(self.count + n);
        Keep::Yes
    }
}

fn main() {
    bytewax::testing::run_keyed([(1, 1_u64)], |up| up.stateful::<Visits>().named("x"));
}
