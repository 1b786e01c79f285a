use bytewax::prelude::*;
use bytewax::source::Poll;

struct Ticks;

impl Ticks {
    #[source]
    fn ticks(&self) -> Poll<u64> {
        Poll::end()
    }
}

fn main() {
    let _ = Ticks::ticks();
}
