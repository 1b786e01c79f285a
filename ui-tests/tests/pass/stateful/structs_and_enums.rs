use bytewax::prelude::*;
use bytewax::state::{Field, Schema, State, open, seal};

#[stateful]
#[derive(Debug, Default, PartialEq)]
struct Mean {
    sum: f64,
    count: u64,
}

#[stateful]
struct All;

#[stateful]
enum Place<T> {
    Nowhere,
    Room(u32, T),
    Other { city: String, means: Vec<Mean> },
}

/// A derive of the user's own, and names that the expansion uses too.
#[stateful]
#[derive(serde::Serialize)]
struct Schemas {
    own: mine::Schema,
}

mod mine {
    #[derive(serde::Serialize, serde::Deserialize)]
    pub struct Schema(pub u8);
}

pub(super) fn main() {
    const MEAN: Schema =
        Schema::new("Mean", 1, &[Field::of::<f64>("sum"), Field::of::<u64>("count")]);
    // Its version is 1 only because no other is written.
    assert_eq!(Mean::SCHEMA, MEAN.without_number());
    let mut bytes = Vec::new();
    seal(&Mean { sum: 1.5, count: 2 }, &mut bytes).unwrap();
    assert_eq!(open::<Mean>(&bytes).unwrap(), Mean { sum: 1.5, count: 2 });

    assert_eq!(All::SCHEMA.fields.len(), 0);
    let names: Vec<_> = Place::<bool>::SCHEMA.fields.iter().map(Field::name).collect();
    let expect = ["Nowhere", "Room", "Room.0", "Room.1", "Other", "Other.city", "Other.means"];
    assert_eq!(names, expect);
    let _ = (Place::<u8>::Nowhere, Place::Room(1, 'a'));
    let _ = Place::<u8>::Other { city: String::new(), means: Vec::new() };
    let _ = Schemas { own: mine::Schema(0) };
}
