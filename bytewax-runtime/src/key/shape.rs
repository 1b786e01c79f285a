//! The saved shape of a key, as far as the compiler knows it: the text of a trace of the type, computed in a
//! `const`.

use super::Key;

/// The maximum length of a shape, in bytes.
const MOST: usize = 256;

/// The saved shape of a key: names, order and types; or unknown to the compiler.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct KeyShape {
    bytes: [u8; MOST],
    /// `None` if it is unknown or too long.
    len: Option<usize>,
}

impl KeyShape {
    /// The shape of a type with custom serialization.
    pub const UNKNOWN: Self = Self {
        bytes: [0; MOST],
        len: None,
    };

    /// Creates the shape of this text.
    #[must_use]
    pub const fn of(text: &str) -> Self {
        Self::empty().text(text)
    }

    /// Creates the shape of a tuple.
    #[must_use]
    pub const fn tuple(parts: &[KeyShape]) -> Self {
        let mut shape = Self::of("(");
        let mut i = 0;
        while i < parts.len() {
            shape = shape.separated(i, ", ").shape(&parts[i]);
            i += 1;
        }
        shape.text(")")
    }

    /// Creates the shape of `count` parts of one shape.
    #[must_use]
    pub(crate) const fn repeated(part: &KeyShape, count: usize) -> Self {
        let mut shape = Self::of("(");
        let mut i = 0;
        while i < count && shape.len.is_some() {
            shape = shape.separated(i, ", ").shape(part);
            i += 1;
        }
        shape.text(")")
    }

    /// Creates the shape of a struct with these fields.
    #[must_use]
    pub const fn fields(fields: &[(&str, KeyShape)]) -> Self {
        let mut shape = Self::of("{");
        let mut i = 0;
        while i < fields.len() {
            let (name, field) = &fields[i];
            shape = shape.separated(i, ", ").text(name).text(": ").shape(field);
            i += 1;
        }
        shape.text("}")
    }

    /// Creates the shape of an enum with these variants and their contents; `()` for a variant without
    /// fields.
    #[must_use]
    pub const fn variants(variants: &[(&str, KeyShape)]) -> Self {
        let mut shape = Self::of("<");
        let mut i = 0;
        while i < variants.len() {
            let (name, content) = &variants[i];
            shape = shape.separated(i, " | ").text(name);
            if !content.is("()") {
                shape = shape.shape(content);
            }
            i += 1;
        }
        shape.text(">")
    }

    /// Creates a shape inside another, such as `option(u64)`.
    pub(crate) const fn within(around: &str, part: &KeyShape) -> Self {
        Self::of(around).text("(").shape(part).text(")")
    }

    const fn empty() -> Self {
        Self {
            bytes: [0; MOST],
            len: Some(0),
        }
    }

    const fn separated(self, place: usize, separator: &str) -> Self {
        match place {
            0 => self,
            _ => self.text(separator),
        }
    }

    const fn text(self, text: &str) -> Self {
        self.append(text.as_bytes(), text.len())
    }

    const fn shape(self, other: &KeyShape) -> Self {
        match other.len {
            Some(len) => self.append(&other.bytes, len),
            None => Self::UNKNOWN,
        }
    }

    const fn append(mut self, bytes: &[u8], count: usize) -> Self {
        let Some(mut len) = self.len else {
            return self;
        };
        let mut i = 0;
        while i < count {
            if len == MOST {
                return Self::UNKNOWN;
            }
            self.bytes[len] = bytes[i];
            len += 1;
            i += 1;
        }
        self.len = Some(len);
        self
    }

    const fn is(&self, text: &str) -> bool {
        let text = text.as_bytes();
        let Some(len) = self.len else { return false };
        let mut i = 0;
        while i < len && i < text.len() && self.bytes[i] == text[i] {
            i += 1;
        }
        i == len && i == text.len()
    }

    /// Returns the text, if it is known.
    pub(crate) fn as_text(&self) -> Option<&str> {
        std::str::from_utf8(self.bytes.get(..self.len?)?).ok()
    }

    /// Whether keys that were saved with another shape decode to the same values, as far as this is known:
    /// the shape is the same, except for appended variants.
    #[must_use]
    pub const fn reads(&self, saved: &str) -> bool {
        match self.len {
            Some(len) => reads(self.bytes.split_at(len).0, saved.as_bytes()),
            None => true,
        }
    }
}

/// Whether bytes of the shape `saved` decode to the same values with the shape `now`: it is the same, except
/// for appended variants of enums.
pub(crate) const fn reads(now: &[u8], saved: &[u8]) -> bool {
    let (mut at, mut i) = (0, 0);
    while i < saved.len() {
        if saved[i] == b'>' && at < now.len() && now[at] == b' ' {
            at = end_of_enum(now, at);
        }
        if at >= now.len() || now[at] != saved[i] {
            return false;
        }
        at += 1;
        i += 1;
    }
    at == now.len()
}

/// Returns the end of the enum that contains a place.
const fn end_of_enum(shape: &[u8], from: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = from;
    while at < shape.len() {
        match shape[at] {
            b'<' => depth += 1,
            b'>' if depth == 0 => return at,
            b'>' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    at
}

/// Stops the compiler with this message if keys do not decode to their saved values.
#[doc(hidden)]
#[must_use]
pub const fn keys_are<K: Key>(saved: &str, message: &str) -> std::marker::PhantomData<K> {
    assert!(K::SHAPE.reads(saved), "{}", message);
    std::marker::PhantomData
}
