use bytewax::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Key)]
struct Seat {
    row: u32,
    number: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Key)]
enum Place<T> {
    Nowhere,
    At(Seat),
    Other { value: T },
}

pub(super) fn main() {
    let seat = Seat { row: 1, number: 2 };
    let other = Seat { row: 2, number: 1 };
    assert_ne!(seat.stable_hash(), other.stable_hash());
    assert_ne!(
        Place::Other { value: 1_u32 }.stable_hash(),
        Place::<u32>::Nowhere.stable_hash(),
    );
    assert_eq!(seat.stable_hash(), seat.clone().stable_hash());
    let _ = Place::<u32>::At(seat);
}
