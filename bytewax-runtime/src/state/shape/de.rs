//! The deserializer of a trace: it records the requests, and returns fitting values.

use std::any::type_name;
use std::cell::RefCell;
use std::fmt;

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::trace::{Attempted, Node, Path, Tracing, inside};
use super::{by_hand, leaf};

/// The depth limits of a type and of a value.
const DEPTH: usize = 100;

/// Why a value was refused.
#[derive(Debug)]
pub(super) struct Refused(String);

impl Refused {
    pub(super) fn new(text: impl fmt::Display) -> Self {
        Self(text.to_string())
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl Error for Refused {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::new(text)
    }
}

/// A place in a type that is traced.
pub(super) struct De<'a> {
    tracing: &'a RefCell<Tracing>,
    path: Path,
    /// The types around this place, the outermost first.
    around: Vec<&'static str>,
    /// Whether the place is in a type within itself. Nothing is recorded there, and it ends as soon as
    /// possible.
    is_again: bool,
    /// The type that is read here next, if known.
    expects: Option<&'static str>,
}

impl<'a> De<'a> {
    pub(super) fn new(tracing: &'a RefCell<Tracing>) -> Self {
        Self {
            tracing,
            path: Path::new(),
            around: Vec::new(),
            is_again: false,
            expects: None,
        }
    }

    /// The same place, for a seed.
    fn read_by<S>(mut self) -> Self {
        let seed = type_name::<S>();
        if by_hand::is_function(seed) {
            self.note_by_hand();
        }
        self.expects = by_hand::type_of_seed(seed);
        self
    }

    /// Records on its first call whether the type at this place has custom reading code.
    fn begin<V>(&mut self) {
        let Some(ty) = self.expects.take() else {
            return;
        };
        let mut tracing = self.tracing.borrow_mut();
        let types = tracing.types.entry(self.path.clone());
        types.or_default().push(ty);
        let is_own = by_hand::is_of(&tracing.own, ty);
        drop(tracing);
        if is_own && !by_hand::is_derived(type_name::<V>(), ty) {
            self.note_by_hand();
        }
    }

    /// Records the value that is read here.
    fn feed(&self, value: impl fmt::Display) {
        self.tracing.borrow_mut().fed.note(&self.path, value);
    }

    fn note_by_hand(&self) {
        if !self.is_again {
            let mut tracing = self.tracing.borrow_mut();
            tracing.by_hand.insert(self.path.clone());
        }
    }

    fn note(&self, node: Node) {
        if !self.is_again {
            let mut tracing = self.tracing.borrow_mut();
            tracing.nodes.insert(self.path.clone(), node);
        }
    }

    fn part(&self, number: u32) -> Self {
        Self {
            tracing: self.tracing,
            path: inside(&self.path, number),
            around: self.around.clone(),
            is_again: self.is_again,
            expects: None,
        }
    }

    /// Records a named type, unless this place is in it.
    fn enter<V>(&mut self, node: Node) -> Result<(), Refused> {
        // The visitor of a generic type contains its parameters in its name.
        let name = type_name::<V>();
        match self.around.iter().rev().position(|other| *other == name) {
            Some(levels) => {
                self.note(Node::Again(levels + 1));
                self.is_again = true;
            }
            None => self.note(node),
        }
        self.around.push(name);
        match self.around.len() {
            DEPTH.. => Err(Refused("it is too deep".to_owned())),
            _ => Ok(()),
        }
    }

    /// The number of the present attempt; another follows when it fails.
    fn attempt(&self, of: Attempted) -> usize {
        let mut tracing = self.tracing.borrow_mut();
        let attempt = tracing.attempts.get(&of).copied().unwrap_or(0);
        tracing.last = Some(of);
        attempt
    }

    fn parts(self, count: u32) -> Parts<'a> {
        Parts {
            of: self,
            next: 0,
            count,
            is_same: false,
        }
    }

    /// The one part of a newtype, which is at the same place.
    fn same(self) -> Parts<'a> {
        Parts {
            is_same: true,
            ..self.parts(1)
        }
    }
}

/// Leaves that are numbers.
macro_rules! numbers {
    ($($method:ident $visit:ident $name:literal $type:ty),+ $(,)?) => {$(
        fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
            self.begin::<V>();
            self.note(Node::Leaf($name));
            self.tracing.borrow_mut().last = None;
            let value = <$type>::from(leaf::number(&self.path));
            self.feed(format_args!("{} {value}", $name));
            visitor.$visit(value)
        }
    )+};
}

impl<'de> Deserializer<'de> for De<'_> {
    type Error = Refused;

    numbers! {
        deserialize_u8 visit_u8 "u8" u8,
        deserialize_u16 visit_u16 "u16" u16,
        deserialize_u32 visit_u32 "u32" u32,
        deserialize_u64 visit_u64 "u64" u64,
        deserialize_u128 visit_u128 "u128" u128,
        deserialize_i16 visit_i16 "i16" i16,
        deserialize_i32 visit_i32 "i32" i32,
        deserialize_i64 visit_i64 "i64" i64,
        deserialize_i128 visit_i128 "i128" i128,
        deserialize_f32 visit_f32 "f32" f32,
        deserialize_f64 visit_f64 "f64" f64,
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(mut self, _: V) -> Result<V::Value, Refused> {
        self.begin::<V>();
        self.tracing.borrow_mut().last = None;
        Err(Refused("what is saved has no names of types".to_owned()))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_any(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_any(visitor)
    }

    fn deserialize_i8<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.begin::<V>();
        self.note(Node::Leaf("i8"));
        let value = leaf::number(&self.path).cast_signed();
        self.feed(format_args!("i8 {value}"));
        visitor.visit_i8(value)
    }

    fn deserialize_bool<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.begin::<V>();
        self.note(Node::Leaf("bool"));
        let value = leaf::number(&self.path) % 2 == 1;
        self.feed(format_args!("bool {value}"));
        visitor.visit_bool(value)
    }

    fn deserialize_char<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.begin::<V>();
        self.note(Node::Leaf("char"));
        let value = char::from(b'a' + leaf::number(&self.path) % 26);
        self.feed(format_args!("char {value}"));
        visitor.visit_char(value)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.begin::<V>();
        self.note(Node::Leaf("str"));
        let attempt = self.attempt(Attempted::Place(self.path.clone()));
        match leaf::text(&self.path, attempt) {
            Some(text) => {
                self.feed(format_args!("str {text}"));
                visitor.visit_string(text)
            }
            None => {
                self.tracing.borrow_mut().last = None;
                Err(Refused("no text fits".to_owned()))
            }
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_byte_buf(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.begin::<V>();
        self.note(Node::Leaf("bytes"));
        let value = vec![leaf::number(&self.path)];
        self.feed(format_args!("bytes {value:?}"));
        visitor.visit_byte_buf(value)
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.begin::<V>();
        self.note(Node::Option);
        match self.is_again {
            true => {
                self.feed("none");
                visitor.visit_none()
            }
            false => {
                self.feed("some");
                let expects = by_hand::type_in_option(type_name::<V>());
                let part = self.part(0);
                visitor.visit_some(Self { expects, ..part })
            }
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.begin::<V>();
        self.note(Node::Tuple(0));
        self.feed("unit");
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_unit(visitor)
    }

    /// Its bytes are those of its content.
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.begin::<V>();
        let name = type_name::<V>();
        if let Some(levels) = self.around.iter().rev().position(|other| *other == name) {
            self.note(Node::Again(levels + 1));
            self.is_again = true;
        }
        self.around.push(name);
        if self.around.len() >= DEPTH {
            return Err(Refused("it is too deep".to_owned()));
        }
        match by_hand::is_written_by_serde(name) {
            // It then names the type, or function, that reads its field.
            true => visitor.visit_seq(self.same()),
            false => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.begin::<V>();
        self.note(Node::List);
        let count = u32::from(!self.is_again);
        self.feed(format_args!("list {count}"));
        visitor.visit_seq(self.parts(count))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        mut self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.begin::<V>();
        self.note(Node::Tuple(len));
        visitor.visit_seq(self.parts(len as u32))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.begin::<V>();
        self.enter::<V>(Node::Tuple(len))?;
        visitor.visit_seq(self.parts(len as u32))
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.begin::<V>();
        self.note(Node::Map);
        let count = u32::from(!self.is_again);
        self.feed(format_args!("map {count}"));
        visitor.visit_map(self.parts(2 * count))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.begin::<V>();
        self.enter::<V>(Node::Struct(fields))?;
        visitor.visit_seq(self.parts(fields.len() as u32))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.begin::<V>();
        self.enter::<V>(Node::Enum(variants))?;
        let chosen = self.tracing.borrow().chosen.get(&self.path).copied();
        let variant = match chosen {
            Some(variant) => variant,
            // The first accepted one.
            None if self.is_again => self.attempt(Attempted::Within(type_name::<V>())) as u32,
            None => self.attempt(Attempted::Place(self.path.clone())) as u32,
        };
        if variant as usize >= variants.len() {
            self.tracing.borrow_mut().last = None;
            return Err(Refused("no variant fits".to_owned()));
        }
        self.feed(format_args!("variant {variant}"));
        visitor.visit_enum(Variant { of: self, variant })
    }
}

/// The parts of a place, one after the other.
struct Parts<'a> {
    of: De<'a>,
    next: u32,
    count: u32,
    is_same: bool,
}

impl<'a> Parts<'a> {
    fn next(&mut self) -> Option<De<'a>> {
        let number = self.next;
        if number == self.count {
            return None;
        }
        self.next += 1;
        let part = self.of.part(number);
        Some(match self.is_same {
            true => De {
                path: self.of.path.clone(),
                ..part
            },
            false => part,
        })
    }
}

impl<'de> SeqAccess<'de> for Parts<'_> {
    type Error = Refused;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        let part = self.next();
        part.map(|part| seed.deserialize(part.read_by::<S>()))
            .transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some((self.count - self.next) as usize)
    }
}

impl<'de> MapAccess<'de> for Parts<'_> {
    type Error = Refused;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        let part = self.next();
        part.map(|part| seed.deserialize(part.read_by::<S>()))
            .transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refused> {
        match self.next() {
            Some(part) => seed.deserialize(part.read_by::<S>()),
            None => Err(Refused("a key was read twice".to_owned())),
        }
    }
}

/// A variant of the enum at a place.
struct Variant<'a> {
    of: De<'a>,
    variant: u32,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Refused;
    type Variant = De<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, De<'a>), Refused> {
        let number: U32Deserializer<Refused> = self.variant.into_deserializer();
        let variant = seed.deserialize(number)?;
        Ok((variant, self.of.part(self.variant)))
    }
}

impl<'de> VariantAccess<'de> for De<'_> {
    type Error = Refused;

    fn unit_variant(self) -> Result<(), Refused> {
        self.note(Node::Tuple(0));
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refused> {
        self.note(Node::Tuple(1));
        seed.deserialize(self.part(0).read_by::<S>())
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Refused> {
        self.note(Node::Tuple(len));
        visitor.visit_seq(self.parts(len as u32))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.note(Node::Struct(fields));
        visitor.visit_seq(self.parts(fields.len() as u32))
    }
}
