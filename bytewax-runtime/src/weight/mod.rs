//! Estimates the memory of items, including their heap.
//!
//! A type without a destructor has no heap memory, so its weight is a constant and costs nothing. The weight
//! of other types is determined with their `Serialize` and a serializer that only adds up sizes: for a
//! string, its length. It is an estimate: inline data counts twice, and the overhead of the allocator does
//! not count.

mod scale;

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::mem::{needs_drop, size_of};

use serde::Serialize;

use self::scale::Scale;

/// The inline size of an item in its batch. Items of zero or one byte count as eight bytes.
pub(crate) const fn inline_weight<T>() -> usize {
    if size_of::<T>() < 8 {
        8
    } else {
        size_of::<T>()
    }
}

/// The weight of an item, including its heap.
#[inline]
pub(crate) fn weight<T: Serialize>(item: &T) -> usize {
    inline_weight::<T>().saturating_add(heap_weight(item))
}

/// The heap memory of an item.
#[inline]
pub(crate) fn heap_weight<T: Serialize>(item: &T) -> usize {
    if needs_drop::<T>() {
        serialized(item)
    } else {
        0
    }
}

/// The weight of items, including their heap.
pub(crate) fn weight_of_all<T: Serialize>(items: &[T]) -> usize {
    if needs_drop::<T>() {
        items.iter().map(weight).fold(0, usize::saturating_add)
    } else {
        items.len() * inline_weight::<T>()
    }
}

/// The serialized size of a value, in bytes.
#[inline]
fn serialized<T: Serialize + ?Sized>(value: &T) -> usize {
    let mut scale = Scale(0);
    // A value that cannot be serialized weighs what was added before the failure; the failure is reported if
    // the value must travel between processes.
    let _ = value.serialize(&mut scale);
    scale.0
}

/// The weight of a list of items of one type.
pub(crate) type Weigh<T> = fn(&[T]) -> usize;

/// The types that can be weighed, for edges whose items need not be serializable.
pub(crate) struct Scales(HashMap<TypeId, Box<dyn Any>>);

impl Default for Scales {
    fn default() -> Self {
        let mut scales = Self(HashMap::new());
        scales.add::<String>();
        scales.add::<Box<str>>();
        scales.add::<Vec<u8>>();
        scales.add::<Vec<String>>();
        scales
    }
}

impl Scales {
    pub(crate) fn add<T: Serialize + 'static>(&mut self) {
        let weigh: Weigh<T> = weight_of_all::<T>;
        self.0.insert(TypeId::of::<T>(), Box::new(weigh));
    }

    /// How items are weighed; by their inline size alone if their type has no other weight.
    pub(crate) fn weigh<T: 'static>(&self) -> Weigh<T> {
        let known = self.0.get(&TypeId::of::<T>());
        let known = known.and_then(|weigh| weigh.downcast_ref::<Weigh<T>>());
        known
            .copied()
            .unwrap_or(|items| items.len() * inline_weight::<T>())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use chrono::{DateTime, Utc};
    use proptest::prelude::*;
    use serde::Serializer;
    use serde::ser::Error;

    use super::*;

    #[derive(Serialize)]
    struct Order {
        id: u64,
        user: String,
        at: DateTime<Utc>,
        lines: Vec<Line>,
    }

    #[derive(Serialize)]
    enum Line {
        Empty,
        Text(Box<str>),
        Amount { of: Option<u32>, note: String },
    }

    #[test]
    fn what_has_no_heap_weighs_its_size() {
        assert_eq!(weight(&7_u64), 8);
        assert_eq!(weight(&()), 8);
        assert_eq!(weight(&[[1.5_f64; 32]; 4]), 1024);
        assert_eq!(weight_of_all(&[(1_u64, 2_u8); 10]), 160);
        assert_eq!(weight(&"a text that is part of the program"), 16);
    }

    #[test]
    fn texts_weigh_what_they_hold() {
        let mega = "x".repeat(1 << 20);
        assert_eq!(weight(&mega), (1 << 20) + 48);
        assert_eq!(weight(&(1_u64, mega.clone(), 2_u64)), (1 << 20) + 40 + 40);
        assert_eq!(weight(&Some(mega.clone().into_bytes())), (1 << 20) + 48);
        let one_is_big = [String::new(), mega, String::new()];
        assert_eq!(weight_of_all(&one_is_big), (1 << 20) + 3 * 48);
    }

    #[test]
    fn what_lies_deep_counts() {
        let note = "n".repeat(5000);
        let lines = vec![
            Line::Empty,
            Line::Text("t".repeat(3000).into()),
            Line::Amount { of: None, note },
        ];
        let order = Order {
            id: 1,
            user: "u".repeat(2000),
            at: DateTime::UNIX_EPOCH,
            lines,
        };
        let found = weight(&order);
        assert!((10_000..10_400).contains(&found), "{found}");
        let orders = HashMap::from([(1, vec![order])]);
        assert!(weight(&orders) > 10_000);
    }

    #[test]
    fn a_value_that_cannot_be_serialized_has_a_weight() {
        struct Broken(#[expect(dead_code, reason = "it has something to drop")] String);
        impl Serialize for Broken {
            fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(Error::custom("broken"))
            }
        }
        assert_eq!(weight(&Broken(String::new())), 24);
    }

    #[test]
    fn types_are_weighed_by_their_scales() {
        struct Unknown(#[expect(dead_code, reason = "it has something to drop")] String);
        let mut scales = Scales::default();
        let text = || "x".repeat(1000);
        assert_eq!(scales.weigh::<String>()(&[text(), text()]), 2 * 1048);
        assert_eq!(scales.weigh::<(u8, String)>()(&[(1, text())]), 32);
        scales.add::<(u8, String)>();
        assert_eq!(
            scales.weigh::<(u8, String)>()(&[(1, text())]),
            32 + 1 + 1024
        );
        assert_eq!(scales.weigh::<Unknown>()(&[Unknown(text())]), 24);
    }

    proptest! {
        // Making the texts takes most of the time.
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_weight_is_about_what_is_held(lists: Vec<(u64, Vec<String>, Option<Vec<u32>>)>) {
            let held = |(_, texts, numbers): &(u64, Vec<String>, Option<Vec<u32>>)| {
                let texts: usize = texts.iter().map(|text| 24 + text.len()).sum();
                56 + texts + 4 * numbers.as_ref().map_or(0, Vec::len)
            };
            let held: usize = lists.iter().map(held).sum();
            let found = weight_of_all(&lists);
            prop_assert!((held..=2 * held).contains(&found), "{} for {}", found, held);
        }
    }
}
