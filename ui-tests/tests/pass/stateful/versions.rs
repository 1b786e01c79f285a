use bytewax::prelude::*;
use bytewax::state::{open, seal};

#[stateful(version = 4, from(Old<T>), reads(3))]
#[derive(Debug, PartialEq)]
struct New<T: Default> {
    values: Vec<T>,
    #[serde(default)]
    name: String,
}

#[stateful(version = 2, from(Option<T>))]
struct Old<T: Default>(T);

impl<T: Default> From<Old<T>> for New<T> {
    fn from(old: Old<T>) -> Self {
        New { values: vec![old.0], name: String::new() }
    }
}

impl<T: Default> From<Option<T>> for Old<T> {
    fn from(old: Option<T>) -> Self {
        Old(old.unwrap_or_default())
    }
}

pub(super) fn main() {
    let mut bytes = Vec::new();
    seal(&Some(7_u8), &mut bytes).unwrap();
    let new: New<u8> = open(&bytes).unwrap();
    assert_eq!(new, New { values: vec![7], name: String::new() });
}
