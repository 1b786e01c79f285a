//! Finds the undecodable place in a value: the value is read again, and the fields on the way are recorded.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, SeqAccess, Visitor};

use crate::codec;

/// The names of the fields down to the undecodable one; empty if unknown. The search does not enter enums and
/// maps.
pub(super) fn of_fault<T: DeserializeOwned>(bytes: &[u8]) -> Option<String> {
    let path = RefCell::default();
    let seed = At {
        path: &path,
        inner: PhantomData::<T>,
    };
    codec::decode_stored_by(bytes, seed).err()?;
    let path = path.take();
    (!path.is_empty()).then(|| path.join("."))
}

/// A seed, a deserializer, a visitor or a sequence at the place of a path.
struct At<'a, T> {
    path: &'a RefCell<Vec<String>>,
    inner: T,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for At<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(At {
            path: self.path,
            inner: deserializer,
        })
    }
}

impl<'a, D> At<'a, D> {
    fn within<V>(&self, visitor: V, names: &'static [&'static str]) -> Within<'a, V> {
        Within {
            path: self.path,
            inner: visitor,
            names,
        }
    }
}

/// Methods that forward to the inner deserializer, as for enums and maps.
macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*))+) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($argument,)* visitor)
        }
    )+};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for At<'_, D> {
    type Error = D::Error;

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let within = self.within(visitor, fields);
        self.inner.deserialize_struct(name, fields, within)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let within = self.within(visitor, &[]);
        self.inner.deserialize_tuple_struct(name, len, within)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let within = self.within(visitor, &[]);
        self.inner.deserialize_tuple(len, within)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let within = self.within(visitor, &[]);
        self.inner.deserialize_seq(within)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let within = self.within(visitor, &[]);
        self.inner.deserialize_option(within)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let within = self.within(visitor, &[]);
        self.inner.deserialize_newtype_struct(name, within)
    }

    forward! {
        deserialize_unit_struct(name: &'static str)
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
        deserialize_any() deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
        deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_char() deserialize_str() deserialize_string()
        deserialize_bytes() deserialize_byte_buf() deserialize_unit() deserialize_map() deserialize_identifier()
        deserialize_ignored_any()
    }
}

/// A visitor of parts with these names; without names, of numbered parts.
struct Within<'a, T> {
    path: &'a RefCell<Vec<String>>,
    inner: T,
    names: &'static [&'static str],
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Within<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, parts: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(Parts {
            path: self.path,
            inner: parts,
            names: self.names,
            next: 0,
        })
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let path = self.path;
        self.inner.visit_some(At { path, inner })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let path = self.path;
        self.inner.visit_newtype_struct(At { path, inner })
    }
}

struct Parts<'a, A> {
    path: &'a RefCell<Vec<String>>,
    inner: A,
    names: &'static [&'static str],
    next: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Parts<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let name = self.names.get(self.next);
        let name = name.map_or_else(|| self.next.to_string(), ToString::to_string);
        self.next += 1;
        self.path.borrow_mut().push(name);
        let part = self.inner.next_element_seed(At {
            path: self.path,
            inner: seed,
        })?;
        self.path.borrow_mut().pop();
        Ok(part)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize)]
    struct Saved(u64, Option<Vec<(u8, u64)>>);

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "nothing is read")]
    struct Read {
        count: u64,
        parts: Option<Vec<Part>>,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "nothing is read")]
    struct Part(u8, NonZeroU64);

    #[track_caller]
    fn check(saved: &Saved, place: Option<&str>) {
        let mut bytes = Vec::new();
        codec::encode_stored(saved, &mut bytes).expect("it is small");
        assert_eq!(of_fault::<Read>(&bytes).as_deref(), place);
    }

    #[test]
    fn the_way_to_what_cannot_be_read_is_named() {
        check(&Saved(0, Some(vec![(1, 1), (2, 2)])), None);
        check(&Saved(0, Some(vec![(1, 1), (2, 0)])), Some("parts.1.1"));
        assert_eq!(of_fault::<Read>(&[]).as_deref(), Some("count"));
        // Remaining bytes belong to no field.
        assert_eq!(of_fault::<Read>(&[1, 0, 0]), None);
    }
}
