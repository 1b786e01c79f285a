//! Compressed files.

use std::io::{BufReader, Read};
use std::path::Path;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// `.gz`, which needs the feature `gzip`. A file may have several members.
    Gzip,
    /// `.zst`, which needs the feature `zstd`. A file may have several frames.
    Zstd,
    /// `.bz2`, which needs the feature `bzip2`. A file may have several streams.
    Bzip2,
    /// `.xz`, which needs the feature `xz`. A file may have several streams.
    Xz,
}

impl Compression {
    /// What the ending of a file's name says.
    pub(crate) fn of(path: &Path) -> Self {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstd,
            Some("bz2") => Self::Bzip2,
            Some("xz") => Self::Xz,
            _ => Self::None,
        }
    }

    /// The feature that reads it.
    pub(crate) fn feature(self) -> &'static str {
        match self {
            Self::None => "files",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }

    /// Reads what is compressed in `input`; `None` without the feature for it.
    pub(crate) fn reader(self, input: impl Read + 'static) -> Option<Box<dyn Read>> {
        let input = BufReader::with_capacity(64 << 10, input);
        match self {
            Self::None => Some(Box::new(input)),
            #[cfg(feature = "gzip")]
            Self::Gzip => Some(Box::new(flate2::bufread::MultiGzDecoder::new(input))),
            #[cfg(feature = "zstd")]
            Self::Zstd => match zstd::Decoder::with_buffer(input) {
                Ok(decoder) => Some(Box::new(decoder)),
                Err(error) => Some(Box::new(Failed(Some(error)))),
            },
            #[cfg(feature = "bzip2")]
            Self::Bzip2 => Some(Box::new(bzip2::bufread::MultiBzDecoder::new(input))),
            #[cfg(feature = "xz")]
            Self::Xz => Some(Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(
                input,
            ))),
            #[allow(unreachable_patterns, reason = "with all features there is no other")]
            _ => None,
        }
    }
}

/// An input that could not be opened.
#[cfg(feature = "zstd")]
struct Failed(Option<std::io::Error>);

#[cfg(feature = "zstd")]
impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
