//! Reads files of any content: opens them, identifies them, and splits them into records.
//!
//! A [`Place`] opens a file as a [`Window`]; a [`Format`] defines how to split off records and convert them
//! into items; [`Records`] is the partition of a source that does so.

mod bad;
mod beside;
mod compression;
mod files;
mod follow;
mod identity;
mod lines;
mod listing;
mod place;
mod position;
mod ranges;
mod reading;
mod renames;
mod rotation;
mod sight;
mod text;
mod watch;
mod window;

pub use bad::{BadRecord, InvalidUtf8, TooLong};
pub use compression::Compression;
pub use files::{FilePartition, GrowingPartition};
pub use follow::FollowPosition;
pub use position::FilePosition;
pub use reading::{Answer, Results, Strict, Unended};
pub use watch::WatchPosition;

#[cfg(feature = "csv")]
pub(crate) use bad::Fault;
pub(crate) use compression::Frame;
pub(crate) use files::Files;
#[cfg(any(feature = "csv", feature = "stdio"))]
pub(crate) use place::Place;
pub(crate) use ranges::Ranges;
#[cfg(any(feature = "csv", feature = "stdio"))]
pub(crate) use reading::Reading;
#[cfg(all(test, feature = "csv"))]
pub(crate) use sight::tests::read as read_all;
#[cfg(feature = "json")]
pub(crate) use text::ParseLine;
pub(crate) use text::Text;
pub(crate) use watch::Rules;
#[cfg(feature = "stdio")]
pub(crate) use {beside::Beside, reading::Records};
#[cfg(feature = "csv")]
pub(crate) use {
    lines::{count_ends, skip_line},
    reading::{Cut, Format, Lines, Splitter, Start},
    sight::{Limit, Sight},
    text::not_utf8,
    window::Window,
};
