use bytewax::prelude::*;

#[stateful]
#[derive(Default)]
struct Visits {
    count: u64,
}

#[stateful]
impl Visits {
    fn on_item(&mut self, n: u64, out: &mut Emit<u64>) -> Keep {
        self.count += n;
        out.emit(self.count);
        Keep::Yes
    }

    fn on_eof(&mut self, out: &mut Emit<u64>) -> Keep {
        out.emit(100);
        Keep::No
    }
}

#[stateful]
struct Largest<T> {
    value: Option<T>,
}

#[stateful]
impl<T> Largest<T>
where
    T: bytewax::state::State + Ord + Clone,
{
    fn on_batch(&mut self, list: Vec<T>, out: &mut Emit<T>) -> Keep {
        self.value = self.value.take().max(list.into_iter().max());
        out.extend(self.value.clone());
        Keep::Yes
    }
}

pub(super) fn main() {
    let out = bytewax::testing::run_keyed([(1, 1_u64), (1, 2)], |up| {
        let sums = up.stateful::<Visits>().named("x");
        sums.stateful_batch_with(|_| Largest { value: None }).named("y")
    });
    assert_eq!(out.last(), Some(&(1, 100)));
}
