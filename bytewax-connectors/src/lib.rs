//! Connectors of the crate `bytewax`: where items come from and go to, one feature a system.
//!
//! | feature | module | what it has | costs |
//! | --- | --- | --- | --- |
//! | `stdio` (default) | `stdio` | the lines of standard input as a source (with `files`), standard output and error as sinks | nothing |
//! | `files` (default) | `files` | text files, and directories of them, as sources and sinks | the crates `memchr`, `glob` |
//! | `csv` | `csv` | the rows of CSV files as a source, as text or of a type | the crate `csv` |
//! | `json` | `json` | files of JSON lines as a source | the crate `serde_json` |
//! | `gzip`, `zstd`, `bzip2`, `xz` | `files` | compressed files | a crate each, and for `zstd` and `xz` a C library |
//! | `kafka` | `kafka` | topics of Apache Kafka as sources and sinks | a compile of the C library librdkafka |
//! | `kafka-ssl`, `kafka-zstd` | `kafka` | TLS; a compression | OpenSSL of the system; a C library |
//! | `avro`, `protobuf` | `formats` | keys and values of messages in Avro and Protobuf | the crates `apache-avro`; `prost` and `prost-reflect` |
//! | `schema-registry` | `formats` | schemas that are in a registry; TLS by `schema-registry-ssl` | the crate `ureq`; OpenSSL of the system |
//! | `demo` | `demo` | a source of numbers for first steps | nothing |
//!
//! Users take the crate `bytewax`, which shows these modules under `bytewax::connectors`.

#[cfg(feature = "csv")]
pub mod csv;
#[cfg(feature = "demo")]
pub mod demo;
#[cfg(feature = "files")]
pub mod files;
#[cfg(any(
    feature = "kafka",
    feature = "avro",
    feature = "protobuf",
    feature = "schema-registry"
))]
pub mod formats;
#[cfg(feature = "json")]
pub mod json;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(any(feature = "files", feature = "kafka"))]
mod note;
#[cfg(feature = "files")]
mod records;
#[cfg(feature = "stdio")]
pub mod stdio;
