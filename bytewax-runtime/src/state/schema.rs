//! The description of a saved value that a program needs before it reads one.

use std::fmt;
use std::marker::PhantomData;

use super::State;

/// The version and shape of a type's saved values.
///
/// ```
/// use bytewax_runtime::state::{Field, Schema};
///
/// const VISITS: Schema = Schema::new("Visits", 1, &[Field::of::<u64>("count")]);
/// assert_eq!(VISITS.to_string(), "`Visits` version 1, fields `count`");
///
/// // The name is for messages: a renamed type is the same.
/// const CLICKS: Schema = Schema::new("Clicks", 1, &[Field::of::<u64>("count")]);
/// assert_eq!(CLICKS.fingerprint, VISITS.fingerprint);
///
/// // A field of another type makes another shape.
/// const TOTALS: Schema = Schema::new("Visits", 1, &[Field::of::<f64>("count")]);
/// assert_ne!(TOTALS.fingerprint, VISITS.fingerprint);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schema {
    /// The name of the type, for messages only.
    pub name: &'static str,
    /// The version, from 1.
    pub version: u32,
    /// A hash of the names and types of the fields.
    pub fingerprint: u64,
    /// The fields, in the order in which they are saved; of an enum, the variants with their fields.
    pub fields: &'static [Field],
    /// The hashed name of a type without its own fields.
    pub(super) kind: Option<&'static str>,
    /// The type parameters of such a type.
    pub(super) parts: &'static [Schema],
    /// The oldest version that the type reads by itself; 0 if it is unknown.
    pub(super) oldest: u32,
    /// The type that reads older versions.
    pub(super) before: Option<&'static Schema>,
    /// Whether older versions are also read inside another type.
    pub(super) reads_within: bool,
    /// A hash of all this, which identifies the type.
    pub(super) identity: u64,
    /// Whether the type belongs to this crate, so that no program can change it.
    of_library: bool,
    /// Whether the definition of the type states its version.
    is_numbered: bool,
}

impl Schema {
    /// Creates the schema of a type with these fields.
    ///
    /// # Panics
    ///
    /// Panics if the version is 0 or above 65535. In a `const`, this is a compile error.
    #[must_use]
    pub const fn new(name: &'static str, version: u32, fields: &'static [Field]) -> Self {
        assert!(version > 0, "versions of state start at 1");
        assert!(version <= u16::MAX as u32, "versions of state end at 65535");
        Self {
            name,
            version,
            fingerprint: fingerprint(fields, fields.len()),
            fields,
            kind: None,
            parts: &[],
            oldest: 0,
            before: None,
            reads_within: false,
            identity: 0,
            of_library: false,
            is_numbered: true,
        }
    }

    /// Creates the schema of a type of this crate, which no program can change.
    pub(crate) const fn of_library(
        name: &'static str,
        version: u32,
        fields: &'static [Field],
    ) -> Self {
        Self {
            of_library: true,
            ..Self::new(name, version, fields)
        }
    }

    /// Whether the type is a number, a text or similar, which its name describes completely.
    pub(super) fn is_plain(&self) -> bool {
        self.fingerprint == Self::built_in(self.name, self.name, &[]).fingerprint
    }

    pub(crate) fn is_of_library(&self) -> bool {
        self.of_library
    }

    /// Whether the type is a struct or an enum of the program.
    pub(crate) fn is_of_program(&self) -> bool {
        !self.of_library && self.kind.is_none() && !self.fields.is_empty()
    }

    /// Collects the types of the program in this type, including itself.
    pub(super) fn collect_types<'a>(&'a self, types: &mut Vec<&'a Schema>) {
        if self.is_of_program() {
            if types.iter().any(|other| other.name == self.name) {
                return;
            }
            types.push(self);
        }
        let fields = self.fields.iter().filter_map(|field| field.of);
        for within in self.parts.iter().chain(fields) {
            within.collect_types(types);
        }
    }

    /// Returns the type of the program that contains a saved place, numbered as in a trace.
    pub(super) fn owner<'a>(&'a self, path: &[u32]) -> Option<&'a Schema> {
        let within = self.part_at(path);
        let within = within.and_then(|(part, rest)| part.owner(rest));
        within.or_else(|| self.is_of_program().then_some(self))
    }

    /// Returns the type at the start of a path, and the rest of the path.
    fn part_at<'a, 'b>(&'a self, path: &'b [u32]) -> Option<(&'a Schema, &'b [u32])> {
        // A newtype is saved as its content.
        if self.kind.is_none()
            && let [Field { name: "0", of, .. }] = self.fields
        {
            return Some(((*of)?, path));
        }
        let (&first, rest) = path.split_first()?;
        if self.kind.is_some() {
            return Some((self.parts.get(first as usize)?, rest));
        }
        let is_variant = |field: &&Field| field.ty == Field::VARIANT;
        if !self.fields.first().is_some_and(|field| is_variant(&field)) {
            return Some((self.fields.get(first as usize)?.of?, rest));
        }
        let (&field, rest) = rest.split_first()?;
        let variants = self.fields.iter().enumerate();
        let mut variants = variants.filter(|(_, field)| is_variant(field));
        let (at, _) = variants.nth(first as usize)?;
        let field = self.fields.get(at + 1 + field as usize)?;
        Some((field.of?, rest))
    }

    /// Returns this type and the types of the program within it, each with a hash of its own fields, without
    /// their contents.
    pub(crate) fn types(&self) -> Vec<(&Schema, u64)> {
        let mut types = Vec::new();
        self.collect_types(&mut types);
        if !self.is_of_program() {
            types.insert(0, self);
        }
        let own = |schema: &&Schema| schema.own().0;
        types.iter().map(|schema| (*schema, own(schema))).collect()
    }

    /// Returns a hash of its own fields.
    fn own(&self) -> Fnv {
        let hash = Fnv::new().text(self.kind.unwrap_or_default());
        let hash = self
            .parts
            .iter()
            .fold(hash, |hash, part| hash.number(part.as_part()));
        self.fields.iter().fold(hash, |hash, field| {
            let ty = field.of.map_or(field.ty, Schema::as_part);
            hash.text(field.name).number(ty)
        })
    }

    /// Returns its part of the own hash of a type that contains it.
    fn as_part(&self) -> u64 {
        match self.is_of_program() {
            true => Fnv::new().text("type").0,
            false => self.own().0,
        }
    }

    /// Returns the names of the types that it, or a type within it, migrates from.
    #[cfg(feature = "recovery")]
    pub(crate) fn older_types(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        let mut before = self.before;
        while let Some(schema) = before {
            names.push(schema.name);
            before = schema.before;
        }
        let fields = self.fields.iter().filter_map(|field| field.of);
        for within in self.parts.iter().chain(fields) {
            names.extend(within.older_types());
        }
        names
    }

    /// Returns this schema with the older versions of the type: it reads those from `oldest` on by itself,
    /// and earlier ones by the type of another schema, if given.
    ///
    /// ```
    /// use bytewax_runtime::state::{Field, Schema};
    ///
    /// const OLD: Schema = Schema::new("Mean", 1, &[Field::of::<f64>("mean")]);
    /// const NEW: Schema =
    ///     Schema::new("Mean", 2, &[Field::of::<f64>("sum"), Field::of::<u64>("count")])
    ///         .with_history(2, Some(&OLD));
    /// assert!(NEW.reads(1, OLD.fingerprint));
    /// assert!(!NEW.reads(1, NEW.fingerprint));
    /// ```
    #[must_use]
    pub const fn with_history(self, oldest: u32, before: Option<&'static Schema>) -> Self {
        Self {
            oldest,
            before,
            ..self
        }
    }

    /// The same for a type whose `Deserialize` looks up the version to read, like that of `#[stateful]`.
    #[doc(hidden)]
    #[must_use]
    pub const fn read_within(self) -> Self {
        let before = match self.before {
            Some(before) => before.identity,
            None => 0,
        };
        let hash = Fnv::new().text(self.name).number(self.fingerprint);
        let hash = hash.number(self.version as u64).number(self.oldest as u64);
        Self {
            reads_within: true,
            identity: hash.number(before).0,
            ..self
        }
    }

    /// The same for a type whose version is 1 by default.
    #[doc(hidden)]
    #[must_use]
    pub const fn without_number(self) -> Self {
        Self {
            is_numbered: false,
            ..self
        }
    }

    pub(super) fn is_numbered(&self) -> bool {
        self.is_numbered
    }

    /// Whether the type reads saved values of this version and fingerprint, as far as its schema shows:
    /// without a history, older values may be readable.
    #[must_use]
    pub const fn reads(&self, version: u32, fingerprint: u64) -> bool {
        if version >= self.version {
            return version == self.version
                && (fingerprint == self.fingerprint
                    || self.past_of_first(self.fields.len(), fingerprint).is_some());
        }
        match self.before {
            _ if version >= self.oldest => true,
            Some(before) => before.reads(version, fingerprint),
            None => false,
        }
    }

    /// Creates the schema of a type without fields, or whose only fields are type parameters. Two types of
    /// one `kind` have the same bytes.
    pub(super) const fn built_in(
        name: &'static str,
        kind: &'static str,
        parts: &'static [Schema],
    ) -> Self {
        let mut hash = Fnv::new().text(kind);
        let mut i = 0;
        while i < parts.len() {
            hash = hash.number(parts[i].as_type());
            i += 1;
        }
        Self {
            name,
            version: 1,
            fingerprint: hash.0,
            fields: &[],
            kind: Some(kind),
            parts,
            oldest: 0,
            before: None,
            reads_within: false,
            identity: 0,
            of_library: false,
            is_numbered: true,
        }
    }

    /// Returns its part of the fingerprint of a type that has it as a field.
    const fn as_type(&self) -> u64 {
        Fnv::of_type(self.version, self.fingerprint)
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` version {}", self.name, self.version)?;
        let kind = match self.fields.first() {
            None => return Ok(()),
            Some(first) if first.ty == Field::VARIANT => "variants",
            Some(_) => "fields",
        };
        for (i, field) in self.fields.iter().enumerate() {
            let before = if i == 0 { kind } else { "" };
            let comma = if i == 0 { ", " } else { "," };
            write!(f, "{comma}{before} `{}`", field.name)?;
        }
        Ok(())
    }
}

/// One field of a [`Schema`]: its name, and a hash of its type.
///
/// ```
/// use bytewax_runtime::state::{Field, Schema};
///
/// /// What `#[stateful]` writes for `enum Place { Nowhere, Room(u32), Other(Url) }`.
/// const PLACE: Schema = Schema::new(
///     "Place",
///     1,
///     &[
///         Field::variant("Nowhere"),
///         Field::variant("Room"),
///         Field::of::<u32>("Room.0"),
///         Field::variant("Other"),
///         Field::opaque("Other.0", "Url"),
///     ],
/// );
/// assert_eq!(PLACE.fields.len(), 5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    pub(super) name: &'static str,
    pub(super) ty: u64,
    /// The type, if it is state itself.
    pub(super) of: Option<&'static Schema>,
}

impl Field {
    const VARIANT: u64 = Fnv::new().text("variant").0;

    /// Creates a field whose type is state: its version and fingerprint count, its name does not.
    #[must_use]
    pub const fn of<T: State>(name: &'static str) -> Self {
        Self::known(name, OfState::<T>::KNOWN)
    }

    const fn known(name: &'static str, schema: &'static Schema) -> Self {
        Self {
            name,
            ty: schema.as_type(),
            of: Some(schema),
        }
    }

    /// Creates a field of another type, which counts by this text only: changes inside it are not detected
    /// until the bytes are read.
    #[must_use]
    pub const fn opaque(name: &'static str, ty: &'static str) -> Self {
        Self {
            name,
            ty: Fnv::new().text("type").text(ty).0,
            of: None,
        }
    }

    /// Creates a variant of an enum; its fields follow, with names such as `Room.0` or `Room.number`.
    #[must_use]
    pub const fn variant(name: &'static str) -> Self {
        Self {
            name,
            ty: Self::VARIANT,
            of: None,
        }
    }

    /// Like [`of`](Self::of) if there is a schema, else like [`opaque`](Self::opaque).
    #[doc(hidden)]
    #[must_use]
    pub const fn known_or_opaque(
        name: &'static str,
        known: Option<&'static Schema>,
        ty: &'static str,
    ) -> Self {
        match known {
            Some(schema) => Self::known(name, schema),
            None => Self::opaque(name, ty),
        }
    }

    /// Returns the name of the field.
    ///
    /// ```
    /// use bytewax_runtime::state::Field;
    ///
    /// assert_eq!(Field::of::<u64>("count").name(), "count");
    /// ```
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// Distinguishes a type that is state from one that is not, without a bound: `OfState::<T>::SCHEMA` is the
/// schema of `T` by the inherent constant if it has one, and `None` by [`ByName`] otherwise.
#[doc(hidden)]
#[derive(Debug)]
pub struct OfState<T: ?Sized>(PhantomData<T>);

impl<T: State> OfState<T> {
    const KNOWN: &'static Schema = &T::SCHEMA;

    /// The schema of `T`.
    pub const SCHEMA: Option<&'static Schema> = Some(Self::KNOWN);
}

/// The fallback of [`OfState`].
#[doc(hidden)]
pub trait ByName {
    /// No schema.
    const SCHEMA: Option<&'static Schema> = None;
}

impl<T: ?Sized> ByName for OfState<T> {}

/// Returns the fingerprint of the first `count` of these fields.
const fn fingerprint(fields: &[Field], count: usize) -> u64 {
    let mut hash = Fnv::new();
    let mut i = 0;
    while i < count && i < fields.len() {
        hash = hash.text(fields[i].name).number(fields[i].ty);
        i += 1;
    }
    hash.0
}

/// The 64-bit FNV-1a hash, which can be computed in a `const`.
#[derive(Clone, Copy)]
pub(super) struct Fnv(pub(super) u64);

impl Fnv {
    pub(super) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Returns the part of a type in the fingerprint of a type that has it as a field.
    pub(super) const fn of_type(version: u32, fingerprint: u64) -> u64 {
        let hash = Self::new().text("state").number(fingerprint);
        hash.number(version as u64).0
    }

    const fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3))
    }

    /// Adds a text, and a byte that no text contains.
    pub(super) const fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes()).byte(0xff)
    }

    pub(super) const fn number(self, number: u64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    const fn bytes(mut self, bytes: &[u8]) -> Self {
        let mut i = 0;
        while i < bytes.len() {
            self = self.byte(bytes[i]);
            i += 1;
        }
        self
    }
}
