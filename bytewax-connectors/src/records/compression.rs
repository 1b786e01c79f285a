//! Compressed files.

use std::io::{BufReader, Read};
use std::path::Path;

/// The compression of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// No compression.
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
    /// The compression that the extension of a file's name indicates.
    pub(crate) fn of(path: &Path) -> Self {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstd,
            Some("bz2") => Self::Bzip2,
            Some("xz") => Self::Xz,
            _ => Self::None,
        }
    }

    /// The feature that supports it.
    pub(crate) fn feature(self) -> &'static str {
        match self {
            Self::None => "files",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }

    /// Begins a frame; `None` without the required feature or without compression.
    pub(crate) fn frame(self) -> Option<std::io::Result<Frame>> {
        match self {
            #[cfg(feature = "gzip")]
            Self::Gzip => Some(Ok(Frame::Gzip(flate2::write::GzEncoder::new(
                Vec::new(),
                flate2::Compression::default(),
            )))),
            #[cfg(feature = "zstd")]
            Self::Zstd => {
                let encoder = zstd::stream::write::Encoder::new(Vec::new(), 0);
                Some(encoder.map(Frame::Zstd))
            }
            #[cfg(feature = "bzip2")]
            Self::Bzip2 => Some(Ok(Frame::Bzip2(bzip2::write::BzEncoder::new(
                Vec::new(),
                bzip2::Compression::default(),
            )))),
            #[cfg(feature = "xz")]
            Self::Xz => Some(Ok(Frame::Xz(liblzma::write::XzEncoder::new(Vec::new(), 6)))),
            _ => None,
        }
    }

    /// Decompresses `input`; `None` without the required feature.
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

/// A frame of a compressed file that is being written: a complete compressed file by itself. Several frames
/// can follow each other.
pub(crate) enum Frame {
    #[cfg(feature = "gzip")]
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
    #[cfg(feature = "zstd")]
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    #[cfg(feature = "bzip2")]
    Bzip2(bzip2::write::BzEncoder<Vec<u8>>),
    #[cfg(feature = "xz")]
    Xz(liblzma::write::XzEncoder<Vec<u8>>),
    /// No feature supports a frame.
    #[allow(dead_code, reason = "so that there is a value without any feature")]
    Never(std::convert::Infallible),
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Frame")
    }
}

/// Calls a method of the encoder in a frame.
macro_rules! encoder {
    ($frame:expr, $encoder:ident => $call:expr) => {
        match $frame {
            #[cfg(feature = "gzip")]
            Frame::Gzip($encoder) => $call,
            #[cfg(feature = "zstd")]
            Frame::Zstd($encoder) => $call,
            #[cfg(feature = "bzip2")]
            Frame::Bzip2($encoder) => $call,
            #[cfg(feature = "xz")]
            Frame::Xz($encoder) => $call,
            Frame::Never(_) => unreachable!("no feature makes one"),
        }
    };
}

#[cfg_attr(
    not(any(feature = "gzip", feature = "zstd", feature = "bzip2", feature = "xz")),
    allow(
        unused_variables,
        unused_mut,
        clippy::ptr_arg,
        reason = "without a feature nothing is compressed"
    )
)]
impl Frame {
    /// Adds bytes, and moves the compressed bytes so far to `out`.
    pub(crate) fn add(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
        encoder!(self, encoder => {
            std::io::Write::write_all(encoder, bytes)?;
            out.append(encoder.get_mut());
            Ok(())
        })
    }

    /// Ends the frame, and moves its remaining bytes to `out`.
    pub(crate) fn finish(self, out: &mut Vec<u8>) -> std::io::Result<()> {
        encoder!(self, encoder => {
            out.append(&mut encoder.finish()?);
            Ok(())
        })
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
