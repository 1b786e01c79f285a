//! Reads current types that contain values of older versions: in a list, a window, a join, a struct.
//!
//! A fingerprint is computed from those of all inner types, so it reveals the version of each: the
//! combination that results in this fingerprint. The value is then read as usual, but each `#[stateful]` type
//! with another version reads that one and migrates it.

use std::cell::RefCell;

use serde::de::Deserializer;

use super::State;
use super::schema::{Field, Fnv, Schema};
use crate::codec::FirstFields;

/// The most inner types with older versions.
const TYPES: usize = 8;
/// The most types of a [`Past`], including those that its types migrate from.
const MOST: usize = 16;
/// The most combinations of versions that are tried.
const COMBINATIONS: u32 = 512;

/// The versions of types when a value was saved, where they differ from the current ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Past {
    /// The version of a type, by the identity of its schema.
    types: [(u64, u32); MOST],
    len: usize,
}

impl Past {
    const TODAY: Self = Self {
        types: [(0, 0); MOST],
        len: 0,
    };

    const fn of(&self, schema: &Schema) -> Option<u32> {
        let mut i = 0;
        while i < self.len {
            if self.types[i].0 == schema.identity {
                return Some(self.types[i].1);
            }
            i += 1;
        }
        None
    }

    /// Adds one of the versions of a type, and of the types that it migrates from; `None` if that contradicts
    /// earlier choices.
    const fn with(mut self, schema: &Schema, which: u32) -> Option<Self> {
        match self.of(schema) {
            Some(other) if other != which => return None,
            Some(_) => {}
            None if self.len == MOST => return None,
            None => {
                self.types[self.len] = (schema.identity, which);
                self.len += 1;
            }
        }
        match schema.before {
            Some(before) if which > schema.own_pasts() => {
                self.with(before, which - 1 - schema.own_pasts())
            }
            _ => Some(self),
        }
    }

    /// Reads values with these versions.
    pub(super) fn during<T>(&self, read: impl FnOnce() -> T) -> T {
        /// Also if a type panics.
        struct Until(Option<Past>);
        impl Drop for Until {
            fn drop(&mut self) {
                PAST.with(|past| *past.borrow_mut() = self.0);
            }
        }
        let _until = Until(PAST.with(|past| past.borrow_mut().replace(*self)));
        read()
    }
}

thread_local! {
    /// The versions that this thread reads.
    static PAST: RefCell<Option<Past>> = const { RefCell::new(None) };
}

/// The inner types that have older versions.
struct Types {
    types: [Option<&'static Schema>; TYPES],
    len: usize,
}

impl Types {
    const fn of(schema: &Schema) -> Self {
        let none = Self {
            types: [None; TYPES],
            len: 0,
        };
        none.within(schema)
    }

    /// Adds the types inside a type, and inside those that it migrates from.
    const fn within(mut self, schema: &Schema) -> Self {
        let mut i = 0;
        while i < schema.parts.len() {
            let part: &'static Schema = &schema.parts[i];
            self = self.within(part).add(part);
            i += 1;
        }
        let mut i = 0;
        while i < schema.fields.len() {
            if let Some(part) = schema.fields[i].of {
                self = self.within(part).add(part);
            }
            i += 1;
        }
        match schema.before {
            Some(before) => self.within(before),
            None => self,
        }
    }

    const fn add(mut self, schema: &'static Schema) -> Self {
        if schema.pasts() == 0 || self.len == TYPES {
            return self;
        }
        let mut i = 0;
        while i < self.len {
            if let Some(known) = self.types[i]
                && known.identity == schema.identity
            {
                return self;
            }
            i += 1;
        }
        self.types[self.len] = Some(schema);
        self.len += 1;
        self
    }

    const fn combinations(&self) -> u32 {
        let mut all: u32 = 1;
        let mut i = 0;
        while i < self.len {
            if let Some(schema) = self.types[i] {
                all = all.saturating_mul(1 + schema.pasts());
            }
            i += 1;
        }
        if all < COMBINATIONS {
            all
        } else {
            COMBINATIONS
        }
    }

    /// One of the combinations.
    const fn choose(&self, mut number: u32) -> Option<Past> {
        let mut past = Past::TODAY;
        let mut i = 0;
        while i < self.len {
            if let Some(schema) = self.types[i] {
                let versions = 1 + schema.pasts();
                match past.with(schema, number % versions) {
                    Some(chosen) => past = chosen,
                    None => return None,
                }
                number /= versions;
            }
            i += 1;
        }
        Some(past)
    }
}

impl Schema {
    /// The number of older versions, with all variations, that the type reads by itself.
    const fn own_pasts(&self) -> u32 {
        match self.reads_within {
            true => (self.version - self.oldest) * (self.fields.len() as u32 + 1),
            false => 0,
        }
    }

    /// The number of older versions of the type inside another.
    const fn pasts(&self) -> u32 {
        let before = match self.before {
            Some(before) if self.reads_within => 1 + before.pasts(),
            _ => 0,
        };
        self.own_pasts() + before
    }

    /// The version of one of its pasts (the first is the current one), and its number of fields.
    const fn version_of(&self, which: u32) -> (u32, usize) {
        let fields = self.fields.len() as u32 + 1;
        match which.checked_sub(1) {
            None => (self.version, self.fields.len()),
            Some(older) => (self.oldest + older / fields, (older % fields) as usize),
        }
    }

    /// Version and fingerprint of one of its pasts, when its inner types had the versions in `past`.
    const fn at(&self, which: u32, past: &Past) -> (u32, u64) {
        match self.before {
            Some(before) if which > self.own_pasts() => {
                before.at(which - 1 - self.own_pasts(), past)
            }
            _ => {
                let (version, fields) = self.version_of(which);
                (version, self.fingerprint_in(fields, past))
            }
        }
    }

    /// The fingerprint of the first fields in a past.
    const fn fingerprint_in(&self, fields: usize, past: &Past) -> u64 {
        if let Some(kind) = self.kind {
            let mut hash = Fnv::new().text(kind);
            let mut i = 0;
            while i < self.parts.len() {
                hash = hash.number(self.parts[i].as_type_in(past));
                i += 1;
            }
            return hash.0;
        }
        let mut hash = Fnv::new();
        let mut i = 0;
        while i < fields && i < self.fields.len() {
            let field = &self.fields[i];
            hash = hash.text(field.name).number(field.type_in(past));
            i += 1;
        }
        hash.0
    }

    const fn as_type_in(&self, past: &Past) -> u64 {
        let which = match past.of(self) {
            Some(which) => which,
            None => 0,
        };
        let (version, fingerprint) = self.at(which, past);
        Fnv::of_type(version, fingerprint)
    }

    /// The past in which the type had this version and fingerprint.
    pub(super) const fn past(&self, version: u32, fingerprint: u64) -> Option<Past> {
        let types = Types::of(self);
        let combinations = types.combinations();
        let mut number = 0;
        while number < combinations {
            if let Some(past) = types.choose(number) {
                let mut which = 0;
                while which <= self.pasts() {
                    let (its_version, its_fingerprint) = self.at(which, &past);
                    if its_version == version && its_fingerprint == fingerprint {
                        return past.with(self, which);
                    }
                    which += 1;
                }
            }
            number += 1;
        }
        None
    }

    /// The past in which its first fields had this fingerprint.
    pub(super) const fn past_of_first(&self, fields: usize, fingerprint: u64) -> Option<Past> {
        let types = Types::of(self);
        let combinations = types.combinations();
        let mut number = 0;
        while number < combinations {
            if let Some(past) = types.choose(number)
                && self.fingerprint_in(fields, &past) == fingerprint
            {
                return Some(past);
            }
            number += 1;
        }
        None
    }
}

impl Field {
    const fn type_in(&self, past: &Past) -> u64 {
        match self.of {
            Some(schema) => schema.as_type_in(past),
            None => self.ty,
        }
    }
}

/// Reads an older version in place of a type; the `Deserialize` of `#[stateful]` uses it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Older {
    version: u32,
    fields: usize,
}

impl Older {
    /// The version to read in place of a `T`; `None` for the current one.
    #[inline]
    pub fn of<T: State>() -> Option<Self> {
        PAST.with(|past| {
            let past = past.borrow();
            let which = past.as_ref()?.of(&T::SCHEMA)?;
            Self::one_of(&T::SCHEMA, which)
        })
    }

    fn one_of(schema: &Schema, which: u32) -> Option<Self> {
        match schema.before {
            _ if which == 0 => None,
            Some(before) if which > schema.own_pasts() => {
                // The previous type determines which of its versions it was.
                let (version, fields) = (before.version, 0);
                Some(Self { version, fields })
            }
            _ => {
                let (version, fields) = schema.version_of(which);
                Some(Self { version, fields })
            }
        }
    }

    /// The version, or the newest one before it.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Reads only the former fields, if this number of fields is possible.
    ///
    /// # Errors
    ///
    /// Fails if it is not.
    pub fn first<'de, D: Deserializer<'de>>(
        &self,
        may_be: &[usize],
        deserializer: D,
    ) -> Result<FirstFields<D>, D::Error> {
        match may_be.contains(&self.fields) {
            true => Ok(FirstFields::new(deserializer, self.fields)),
            false => Err(serde::de::Error::custom(
                "it had other fields than those that can be missing",
            )),
        }
    }
}
