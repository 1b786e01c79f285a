//! The one place that turns values into bytes and back; nothing else names the codec's crate.

use std::io;

use bincode::config;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a value could not be encoded or decoded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    #[error("the value cannot be encoded")]
    Encode(#[source] bincode::error::EncodeError),
    #[error("the bytes cannot be decoded")]
    Decode(#[source] bincode::error::DecodeError),
}

/// Items on their way between processes: numbers at full width, which is fast.
fn wire() -> impl config::Config {
    config::standard().with_fixed_int_encoding()
}

/// Writes items for another process of the same program.
pub(crate) fn encode_wire(
    value: &impl Serialize,
    writer: &mut impl io::Write,
) -> Result<usize, CodecError> {
    bincode::serde::encode_into_std_write(value, writer, wire()).map_err(CodecError::Encode)
}

/// How many bytes [`encode_wire`] writes.
pub(crate) fn wire_len(value: &impl Serialize) -> Result<usize, CodecError> {
    encode_wire(value, &mut io::sink())
}

/// Reads what [`encode_wire`] wrote.
pub(crate) fn decode_wire<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let decoded = bincode::serde::decode_from_slice(bytes, wire());
    decoded.map(|(value, _)| value).map_err(CodecError::Decode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_length_is_what_is_written_and_values_come_back() {
        let value = vec![
            (7_u64, "key".to_owned(), Some(2.5_f64)),
            (8, String::new(), None),
        ];
        let mut bytes = Vec::new();
        let written = encode_wire(&value, &mut bytes).unwrap();
        assert_eq!(written, bytes.len());
        assert_eq!(wire_len(&value).unwrap(), bytes.len());
        assert_eq!(
            decode_wire::<Vec<(u64, String, Option<f64>)>>(&bytes).unwrap(),
            value
        );
    }

    #[test]
    fn truncated_bytes_are_an_error() {
        let mut bytes = Vec::new();
        encode_wire(&vec!["text".to_owned()], &mut bytes).unwrap();
        bytes.pop();
        assert!(decode_wire::<Vec<String>>(&bytes).is_err());
    }
}
