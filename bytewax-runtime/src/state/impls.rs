//! The types that are state without any declaration. All have version 1, forever.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::Hash;

use chrono::{DateTime, Utc};

use super::{Saved, Schema, State, StateError};

macro_rules! plain {
    ($($type:ty: $name:literal),+ $(,)?) => {$(
        impl State for $type {
            const SCHEMA: Schema = Schema::built_in($name, $name, &[]);
        }
    )+};
}

plain! {
    (): "()", bool: "bool", char: "char", String: "String",
    u8: "u8", u16: "u16", u32: "u32", u64: "u64", u128: "u128", usize: "usize",
    i8: "i8", i16: "i16", i32: "i32", i64: "i64", i128: "i128", isize: "isize",
    f32: "f32", f64: "f64", DateTime<Utc>: "DateTime<Utc>",
}

impl<T: State> State for Option<T> {
    const SCHEMA: Schema = Schema::built_in("Option", "option", &[T::SCHEMA]);
}

impl<T: State> State for Vec<T> {
    const SCHEMA: Schema = Schema::built_in("Vec", "list", &[T::SCHEMA]);
}

impl<T: State> State for VecDeque<T> {
    const SCHEMA: Schema = Schema::built_in("VecDeque", "list", &[T::SCHEMA]);
}

/// Saved as its content.
impl<T: State> State for Box<T> {
    const SCHEMA: Schema = T::SCHEMA;

    fn load(saved: Saved<'_>) -> Result<Self, StateError> {
        T::load(saved).map(Box::new)
    }
}

impl<T: State + Ord> State for BTreeSet<T> {
    const SCHEMA: Schema = Schema::built_in("BTreeSet", "set", &[T::SCHEMA]);
}

impl<T: State + Eq + Hash> State for HashSet<T> {
    const SCHEMA: Schema = Schema::built_in("HashSet", "set", &[T::SCHEMA]);
}

impl<K: State + Ord, V: State> State for BTreeMap<K, V> {
    const SCHEMA: Schema = Schema::built_in("BTreeMap", "map", &[K::SCHEMA, V::SCHEMA]);
}

impl<K: State + Eq + Hash, V: State> State for HashMap<K, V> {
    const SCHEMA: Schema = Schema::built_in("HashMap", "map", &[K::SCHEMA, V::SCHEMA]);
}

macro_rules! tuples {
    ($(($($part:ident)+))+) => {$(
        impl<$($part: State),+> State for ($($part,)+) {
            const SCHEMA: Schema = Schema::built_in("tuple", "tuple", &[$($part::SCHEMA),+]);
        }
    )+};
}

tuples! {
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
    (A B C D E F G)
    (A B C D E F G H)
}
