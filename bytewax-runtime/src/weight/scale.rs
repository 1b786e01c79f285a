//! A serializer that adds up sizes.

use std::fmt::{self, Display};

use serde::Serialize;
use serde::ser::{
    Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// The overhead of a list, a map or a string.
const LIST: usize = size_of::<Vec<u8>>();

/// The weight of a value that is serialized as its displayed text.
const SHOWN: usize = 32;

/// The weight of a value without content, such as `None` or a variant without fields.
const NOTHING: usize = 8;

/// A serializer that adds up sizes.
pub(super) struct Scale(pub(super) usize);

impl Scale {
    #[inline]
    fn add(&mut self, bytes: usize) {
        // Without a check, the weight of many numbers is a multiplication.
        self.0 = self.0.wrapping_add(bytes);
    }
}

/// Why a value cannot be serialized, according to its own `Serialize`.
#[derive(Debug)]
pub(super) struct Unweighed;

impl Display for Unweighed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value cannot be serialized")
    }
}

impl std::error::Error for Unweighed {}

impl Error for Unweighed {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

macro_rules! numbers {
    ($($method:ident $number:ty;)+) => {
        $(
            #[inline]
            fn $method(self, _: $number) -> Result<(), Unweighed> {
                self.add(size_of::<$number>());
                Ok(())
            }
        )+
    };
}

impl Serializer for &mut Scale {
    type Ok = ();
    type Error = Unweighed;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    numbers! {
        serialize_bool bool;
        serialize_i8 i8;
        serialize_i16 i16;
        serialize_i32 i32;
        serialize_i64 i64;
        serialize_i128 i128;
        serialize_u8 u8;
        serialize_u16 u16;
        serialize_u32 u32;
        serialize_u64 u64;
        serialize_u128 u128;
        serialize_f32 f32;
        serialize_f64 f64;
        serialize_char char;
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Result<(), Unweighed> {
        self.add(LIST + text.len());
        Ok(())
    }

    #[inline]
    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Unweighed> {
        self.add(LIST + bytes.len());
        Ok(())
    }

    // Dates, addresses and the like, whose formatting would cost more than their creation.
    #[inline]
    fn collect_str<T: Display + ?Sized>(self, _: &T) -> Result<(), Unweighed> {
        self.add(SHOWN);
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Unweighed> {
        self.add(NOTHING);
        Ok(())
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unweighed> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), Unweighed> {
        self.add(NOTHING);
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Unweighed> {
        self.add(NOTHING);
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
    ) -> Result<(), Unweighed> {
        self.add(NOTHING);
        Ok(())
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Unweighed> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Unweighed> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Unweighed> {
        self.add(LIST);
        Ok(self)
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Self, Unweighed> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Unweighed> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Unweighed> {
        Ok(self)
    }

    #[inline]
    fn serialize_map(self, _: Option<usize>) -> Result<Self, Unweighed> {
        self.add(LIST);
        Ok(self)
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Unweighed> {
        Ok(self)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Unweighed> {
        Ok(self)
    }

    // Like the codec for connections.
    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }
}

impl SerializeSeq for &mut Scale {
    type Ok = ();
    type Error = Unweighed;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unweighed> {
        value.serialize(&mut **self)
    }

    #[inline]
    fn end(self) -> Result<(), Unweighed> {
        Ok(())
    }
}

impl SerializeMap for &mut Scale {
    type Ok = ();
    type Error = Unweighed;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unweighed> {
        key.serialize(&mut **self)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unweighed> {
        value.serialize(&mut **self)
    }

    #[inline]
    fn end(self) -> Result<(), Unweighed> {
        Ok(())
    }
}

impl SerializeTuple for &mut Scale {
    type Ok = ();
    type Error = Unweighed;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unweighed> {
        value.serialize(&mut **self)
    }

    #[inline]
    fn end(self) -> Result<(), Unweighed> {
        Ok(())
    }
}

macro_rules! fields {
    ($($part:ident $(, $name:ty)?;)+) => {
        $(
            impl $part for &mut Scale {
                type Ok = ();
                type Error = Unweighed;

                #[inline]
                fn serialize_field<T: Serialize + ?Sized>(
                    &mut self,
                    $(_: $name,)?
                    value: &T,
                ) -> Result<(), Unweighed> {
                    value.serialize(&mut **self)
                }

                #[inline]
                fn end(self) -> Result<(), Unweighed> {
                    Ok(())
                }
            }
        )+
    };
}

fields! {
    SerializeTupleStruct;
    SerializeTupleVariant;
    SerializeStruct, &'static str;
    SerializeStructVariant, &'static str;
}
