//! Connectors of the crate `bytewax`: sources and sinks, one feature per system.
//!
//! | feature | module | contents | cost |
//! | --- | --- | --- | --- |
//! | `stdio` (default) | `stdio` | the lines of standard input as a source (with `files`), standard output and error as sinks | none |
//! | `files` (default) | `files` | text files and directories as sources and sinks | the crates `memchr`, `glob` |
//! | `csv` | `csv` | the rows of CSV files as a source, as text or as a type | the crate `csv` |
//! | `json` | `json` | JSON Lines files as a source | the crate `serde_json` |
//! | `gzip`, `zstd`, `bzip2`, `xz` | `files` | compressed files | a crate each, and for `zstd` and `xz` a C library |
//! | `kafka` | `kafka` | Apache Kafka topics as sources and sinks | compiles the C library librdkafka |
//! | `kafka-ssl`, `kafka-zstd` | `kafka` | TLS; a compression | OpenSSL of the system; a C library |
//! | `avro`, `protobuf` | `formats` | keys and values of messages in Avro and Protobuf | the crates `apache-avro`; `prost` and `prost-reflect` |
//! | `schema-registry` | `formats` | schemas in a registry; TLS with `schema-registry-ssl` | the crate `ureq`; OpenSSL of the system |
//! | `demo` | `demo` | a source of numbers for first steps | none |
//!
//! Programs use the crate `bytewax`, which re-exports these modules under `bytewax::connectors`.

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
