//! A registry, and what is read and written with it.

use std::time::Duration;

use bytewax::client::Retry;
use bytewax::connectors::formats::{
    Deserializer, FormatError, Part, Registry, Serializer, TestingRegistry,
};

/// A registry, and a client that does not try long.
pub(crate) fn registry() -> (TestingRegistry, Registry) {
    let testing = TestingRegistry::start().unwrap();
    let registry = client(testing.url());
    (testing, registry)
}

pub(crate) fn client(url: &str) -> Registry {
    let moment = Duration::from_millis(1);
    Registry::new(url).retry(Retry::new().retries(3).backoff(moment, moment).exact())
}

/// What a serializer makes of a value.
pub(crate) fn bytes<T>(with: impl Serializer<T>, part: Part, value: &T) -> Vec<u8> {
    try_bytes(with, part, value, None).unwrap()
}

pub(crate) fn try_bytes<T>(
    mut with: impl Serializer<T>,
    part: Part,
    value: &T,
    topic: Option<&str>,
) -> Result<Vec<u8>, FormatError> {
    with.open(part)?;
    with.serialize(value, topic)
}

/// What a deserializer makes of bytes.
pub(crate) fn value<D: Deserializer>(mut with: D, bytes: &[u8]) -> D::Value {
    with.open(Part::Value).unwrap();
    with.deserialize(bytes).unwrap()
}

/// Why bytes are no value.
#[track_caller]
pub(crate) fn data_error<D: Deserializer>(mut with: D, bytes: &[u8]) -> String {
    with.open(Part::Value).unwrap();
    match with.deserialize(bytes) {
        Err(FormatError::Data(why)) => why,
        Err(error) => panic!("it stops: {error}"),
        Ok(_) => panic!("it is a value"),
    }
}

/// Why nothing can be read or written.
#[track_caller]
pub(crate) fn stop_error<T>(result: Result<T, FormatError>) -> String {
    match result {
        Err(FormatError::Stop(why)) => why.to_string(),
        Err(error) => panic!("it does not stop: {error}"),
        Ok(_) => panic!("it is right"),
    }
}
