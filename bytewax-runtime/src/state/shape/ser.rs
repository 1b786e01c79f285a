//! The serializer of a trace: it records what a sample is written as. Code that is derived writes a sample as it
//! was read; other values, or a function of `serialize_with`, are the program's own code.

use std::any::type_name;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::by_hand;
use super::de::Refused;
use super::trace::{Path, inside};

/// The values of a sample, by place.
#[derive(Debug, Default)]
pub(super) struct Values(BTreeMap<Path, String>);

impl Values {
    pub(super) fn note(&mut self, path: &Path, value: impl fmt::Display) {
        self.0.insert(path.clone(), value.to_string());
    }

    /// The places where the two differ.
    pub(super) fn differences<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Path> {
        let differs = |one: &'a Self, two: &'a Self| {
            let values = one.0.iter();
            let differing = values.filter(|(path, value)| two.0.get(*path) != Some(value));
            differing.map(|(path, _)| path)
        };
        differs(self, other).chain(differs(other, self))
    }
}

/// What a sample is written as.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) values: Values,
    /// The places that a function writes.
    pub(super) functions: BTreeSet<Path>,
}

/// Writes a sample; `None` if its code refuses.
pub(super) fn written(value: &impl Serialize) -> Option<Written> {
    let written = RefCell::new(Written::default());
    let ser = Ser {
        written: &written,
        path: Path::new(),
    };
    value.serialize(ser).ok()?;
    Some(written.into_inner())
}

impl Error for Refused {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::new(text)
    }
}

/// A place that is written.
struct Ser<'a> {
    written: &'a RefCell<Written>,
    path: Path,
}

impl<'a> Ser<'a> {
    fn note(&self, value: impl fmt::Display) {
        self.written.borrow_mut().values.note(&self.path, value);
    }

    fn part(&self, number: u32) -> Self {
        Self {
            written: self.written,
            path: inside(&self.path, number),
        }
    }

    fn write<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        if by_hand::is_writing_function(type_name::<T>()) {
            let mut written = self.written.borrow_mut();
            written.functions.insert(self.path.clone());
        }
        value.serialize(self)
    }

    fn parts(self) -> Parts<'a> {
        Parts { of: self, next: 0 }
    }
}

/// Leaves that are numbers.
macro_rules! numbers {
    ($($method:ident $name:literal $type:ty),+ $(,)?) => {$(
        fn $method(self, value: $type) -> Result<(), Refused> {
            self.note(format_args!("{} {value}", $name));
            Ok(())
        }
    )+};
}

impl<'a> Serializer for Ser<'a> {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Parts<'a>;
    type SerializeTuple = Parts<'a>;
    type SerializeTupleStruct = Parts<'a>;
    type SerializeTupleVariant = Parts<'a>;
    type SerializeMap = Parts<'a>;
    type SerializeStruct = Parts<'a>;
    type SerializeStructVariant = Parts<'a>;

    numbers! {
        serialize_u8 "u8" u8,
        serialize_u16 "u16" u16,
        serialize_u32 "u32" u32,
        serialize_u64 "u64" u64,
        serialize_u128 "u128" u128,
        serialize_i8 "i8" i8,
        serialize_i16 "i16" i16,
        serialize_i32 "i32" i32,
        serialize_i64 "i64" i64,
        serialize_i128 "i128" i128,
        serialize_f32 "f32" f32,
        serialize_f64 "f64" f64,
        serialize_bool "bool" bool,
        serialize_char "char" char,
        serialize_str "str" &str,
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Refused> {
        self.note(format_args!("bytes {bytes:?}"));
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Refused> {
        self.note("none");
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        self.note("some");
        self.part(0).write(value)
    }

    fn serialize_unit(self) -> Result<(), Refused> {
        self.note("unit");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Refused> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
    ) -> Result<(), Refused> {
        self.note(format_args!("variant {variant}"));
        Ok(())
    }

    /// At the same place, as it is read.
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        self.write(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        self.note(format_args!("variant {variant}"));
        self.part(variant).part(0).write(value)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Parts<'a>, Refused> {
        self.note(format_args!("list {}", len.unwrap_or_default()));
        Ok(self.parts())
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'a>, Refused> {
        Ok(self.parts())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts<'a>, Refused> {
        Ok(self.parts())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Refused> {
        self.note(format_args!("variant {variant}"));
        Ok(self.part(variant).parts())
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Parts<'a>, Refused> {
        self.note(format_args!("map {}", len.unwrap_or_default()));
        Ok(self.parts())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts<'a>, Refused> {
        Ok(self.parts())
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        variant: u32,
        variant_name: &'static str,
        len: usize,
    ) -> Result<Parts<'a>, Refused> {
        self.serialize_tuple_variant(name, variant, variant_name, len)
    }
}

/// The parts of a place, one after the other.
struct Parts<'a> {
    of: Ser<'a>,
    next: u32,
}

impl Parts<'_> {
    fn write<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let part = self.of.part(self.next);
        self.next += 1;
        part.write(value)
    }
}

/// Compounds whose parts have nothing but values.
macro_rules! compounds {
    ($($compound:ident $method:ident $(($name:ty))?),+ $(,)?) => {$(
        impl $compound for Parts<'_> {
            type Ok = ();
            type Error = Refused;

            fn $method<T: Serialize + ?Sized>(
                &mut self,
                $(_: $name,)?
                value: &T,
            ) -> Result<(), Refused> {
                self.write(value)
            }

            fn end(self) -> Result<(), Refused> {
                Ok(())
            }
        }
    )+};
}

compounds! {
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field,
    SerializeStruct serialize_field (&'static str),
    SerializeStructVariant serialize_field (&'static str),
}

impl SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        self.write(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        self.write(value)
    }

    fn end(self) -> Result<(), Refused> {
        Ok(())
    }
}
