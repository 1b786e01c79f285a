use bytewax::prelude::*;

#[stateful]
#[derive(Default)]
struct Visits {
    count: u64,
}

#[stateful]
impl Visits {
    fn on_itm(&mut self, n: u64, out: &mut Emit<u64>) -> Keep {
        self.count += n;
        out.emit(self.count);
        Keep::Yes
    }
}

fn main() {
    bytewax::testing::run_keyed([(1, 1_u64)], |up| up.stateful::<Visits>().named("x"));
}
