use bytewax::prelude::*;

#[stateful]
struct Visits<'a> {
    last: &'a str,
}

fn main() {}
