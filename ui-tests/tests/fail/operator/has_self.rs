use bytewax::prelude::*;

struct Shop {
    step: u8,
}

impl Shop {
    #[operator]
    fn next(&self, up: Stream<u8>) -> Stream<u8> {
        let step = self.step;
        up.map(move |n| n + step)
    }
}

fn main() {}
