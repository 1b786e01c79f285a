//! Text.

use super::{Deserializer, FormatError, Serializer};

/// UTF-8 text, mostly for keys.
///
/// # Examples
///
/// ```
/// use bytewax_connectors::formats::{Deserializer, FormatError, Serializer, Utf8};
///
/// assert_eq!(Utf8.serialize("hall", None)?, b"hall");
/// assert_eq!(Utf8.deserialize(b"hall")?, "hall");
/// assert!(Utf8.deserialize(&[0xff]).is_err());
/// # Ok::<(), FormatError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8;

impl Deserializer for Utf8 {
    type Value = String;

    fn deserialize(&mut self, bytes: &[u8]) -> Result<String, FormatError> {
        let text = std::str::from_utf8(bytes).map_err(FormatError::data)?;
        Ok(text.to_owned())
    }
}

impl<T: AsRef<str> + ?Sized> Serializer<T> for Utf8 {
    fn serialize(&mut self, value: &T, _: Option<&str>) -> Result<Vec<u8>, FormatError> {
        Ok(value.as_ref().as_bytes().to_vec())
    }
}
