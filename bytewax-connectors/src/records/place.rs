//! A file that is read, and how to open it.

use std::fs::{File, Metadata};
#[cfg(feature = "stdio")]
use std::io::Read;
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::compression::Compression;
use super::identity::FileId;
use super::lines::{begin_line, count_ends};
use super::position::FilePosition;
use super::window::{Before, Traces, Window};
use crate::files::Error;

/// The size of one read, and so the approximate amount of text in a batch.
pub(crate) const CHUNK_BYTES: usize = 64 << 10;

/// A file that is read.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    compression: Compression,
    /// Whether its compression is determined by its name alone.
    is_assumed: bool,
    /// The expected file; `None` if any is right.
    id: Option<FileId>,
    /// What it is, if it is no file.
    #[cfg(feature = "stdio")]
    stream: Option<Stream>,
}

/// A stream without a name among files, such as standard input.
#[cfg(feature = "stdio")]
#[derive(Clone)]
struct Stream(Arc<dyn Fn() -> Box<dyn Read> + Send + Sync>);

#[cfg(feature = "stdio")]
impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stream")
    }
}

/// Checks that a file exists.
pub(crate) fn check(path: &Path) -> Result<Metadata, Error> {
    let metadata = std::fs::metadata(path).map_err(|error| cannot_open(path, error))?;
    check_kind(path, &metadata)?;
    Ok(metadata)
}

pub(crate) fn cannot_open(path: &Path, source: io::Error) -> Error {
    Error::Open {
        path: path.to_owned(),
        source,
    }
}

fn check_kind(path: &Path, metadata: &Metadata) -> Result<(), Error> {
    match metadata.is_dir() {
        true => Err(Error::Directory {
            path: path.to_owned(),
        }),
        false => Ok(()),
    }
}

/// An open file with its window.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) window: Window,
    /// `None` for a stream without a name.
    pub(crate) file: Option<Arc<File>>,
    pub(crate) id: FileId,
    /// Its stamp when its read content was last verified.
    looks: Looks,
}

/// The length of a file, and its modification time.
type Looks = Option<(u64, SystemTime)>;

fn looks(metadata: &Metadata) -> Looks {
    Some((metadata.len(), metadata.modified().ok()?))
}

impl Place {
    /// A file with the given compression, or the one that its name indicates.
    pub(crate) fn new(path: PathBuf, compression: Option<Compression>) -> Self {
        Self {
            compression: compression.unwrap_or_else(|| Compression::of(&path)),
            is_assumed: compression.is_none(),
            path,
            id: None,
            #[cfg(feature = "stdio")]
            stream: None,
        }
    }

    /// The same, but opening any other file is an error.
    pub(crate) fn known(self, id: FileId) -> Self {
        Self {
            id: Some(id),
            ..self
        }
    }

    fn check_id(&self, id: FileId) -> Result<(), Error> {
        match self.id {
            Some(known) if known != id => Err(Error::Moved {
                path: self.path.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// A stream that a function opens, with a name for messages.
    #[cfg(feature = "stdio")]
    pub(crate) fn stream<R: Read + 'static>(
        name: &str,
        open: impl Fn() -> R + Send + Sync + 'static,
    ) -> Self {
        Self {
            path: PathBuf::from(name),
            compression: Compression::None,
            is_assumed: false,
            id: None,
            stream: Some(Stream(Arc::new(move || Box::new(open())))),
        }
    }

    pub(crate) fn is_compressed(&self) -> bool {
        self.compression != Compression::None
    }

    /// Its compression, if its name alone indicates it.
    pub(crate) fn assumed_compression(&self) -> Option<String> {
        let is_assumed = self.is_assumed && self.is_compressed();
        is_assumed.then(|| {
            let how = self.compression.feature();
            format!("compressed by {how}, which its name says")
        })
    }

    /// Checks that the file exists and is at least as long as the position. Returns whether it is a regular
    /// file; opening and reading others may block.
    pub(crate) fn check(&self, position: Option<&FilePosition>) -> Result<bool, Error> {
        let metadata = check(&self.path)?;
        self.check_id(FileId::of(&metadata))?;
        let position = position.map_or(0, FilePosition::byte);
        if position > 0 && !metadata.is_file() {
            return Err(Error::NotRegular {
                path: self.path.clone(),
                position,
            });
        }
        if metadata.is_file() && !self.is_compressed() {
            self.check_length(metadata.len(), position)?;
        }
        Ok(metadata.is_file())
    }

    /// Opens the file at the position, if it is still the same file. Returns the number of lines that end by
    /// that as well.
    pub(crate) fn resume(&self, position: &FilePosition) -> Result<(Opened, u64), Error> {
        let mut opened = self.open(position.byte())?;
        let window = &mut opened.window;
        let known = position.traces().filter(|_| position.byte() > 0);
        if known.is_some_and(|known| known != window.traces()) {
            return Err(Error::Replaced {
                path: self.path.clone(),
                position: position.byte(),
            });
        }
        let begun = begin_line(window);
        let begun = begun.map_err(|source| self.cannot_read(position.byte(), source))?;
        let ended = begun.ok_or_else(|| Error::Continued {
            path: self.path.clone(),
            position: position.byte(),
        })?;
        Ok((opened, ended))
    }

    /// Opens the file at a byte.
    pub(crate) fn open(&self, byte: u64) -> Result<Opened, Error> {
        #[cfg(feature = "stdio")]
        if let Some(Stream(open)) = &self.stream {
            let window = Window::at(open(), CHUNK_BYTES, Before::default());
            return Ok(Opened {
                window,
                file: None,
                id: FileId::default(),
                looks: None,
            });
        }
        let cannot_open = |error| cannot_open(&self.path, error);
        let cannot_read = |source| self.cannot_read(byte, source);
        let file = File::open(&self.path).map_err(cannot_open)?;
        let metadata = file.metadata().map_err(cannot_open)?;
        check_kind(&self.path, &metadata)?;
        let id = FileId::of(&metadata);
        self.check_id(id)?;
        if byte > 0 && !metadata.is_file() {
            return Err(Error::NotRegular {
                path: self.path.clone(),
                position: byte,
            });
        }
        let file = Arc::new(file);
        let window = if self.is_compressed() {
            let decoded = self.compression.reader(Arc::clone(&file));
            let mut decoded = decoded.ok_or_else(|| Error::Compressed {
                path: self.path.clone(),
                feature: self.compression.feature(),
            })?;
            let before = Before::skip(&mut decoded, byte).map_err(cannot_read)?;
            self.check_length(before.position, byte)?;
            Window::at(decoded, CHUNK_BYTES, before)
        } else if byte == 0 {
            Window::at(Arc::clone(&file), CHUNK_BYTES, Before::default())
        } else {
            self.check_length(metadata.len(), byte)?;
            let before = Before::of_file(&file, byte).map_err(cannot_read)?;
            let begun = (&*file).seek(SeekFrom::Start(byte));
            begun.map_err(cannot_read)?;
            Window::at(Arc::clone(&file), CHUNK_BYTES, before)
        };
        Ok(Opened {
            window,
            file: Some(file),
            id,
            looks: looks(&metadata),
        })
    }

    /// The line of a byte, counted from 1. Reads the file up to there.
    pub(crate) fn line_of(&self, byte: u64) -> Result<u64, Error> {
        let mut window = self.open(0)?.window;
        let (mut line, mut before) = (1, None);
        while window.position() < byte {
            let filled = window.fill();
            filled.map_err(|source| self.cannot_read(window.position(), source))?;
            let left = usize::try_from(byte - window.position()).unwrap_or(usize::MAX);
            let length = window.rest().len().min(left);
            if length == 0 {
                break;
            }
            let cut = window.consume(length);
            let bytes = window.cut(cut);
            line += count_ends(bytes, before);
            before = bytes.last().copied();
        }
        Ok(line)
    }

    /// Checks that a file that was read to its end is still the same.
    pub(crate) fn check_end(&self, opened: &Opened) -> Result<(), Error> {
        let Some((file, metadata)) = self.regular(opened)? else {
            return Ok(());
        };
        let window = &opened.window;
        self.check_length(metadata.len(), window.end())?;
        self.check_traces(file, window.position(), window.traces())
    }

    /// Checks that a file with new data is still the one that was read up to a position. Reads its content
    /// only if it was written meanwhile.
    pub(crate) fn check_more(
        &self,
        opened: &mut Opened,
        position: u64,
        traces: Traces,
    ) -> Result<(), Error> {
        let Some((file, metadata)) = self.regular(opened)? else {
            return Ok(());
        };
        let looks = looks(&metadata);
        if looks.is_some() && looks == opened.looks {
            return Ok(());
        }
        self.check_length(metadata.len(), opened.window.end())?;
        self.check_traces(file, position, traces)?;
        opened.looks = looks;
        Ok(())
    }

    /// The open file, if it is a regular one without compression.
    fn regular<'a>(&self, opened: &'a Opened) -> Result<Option<(&'a File, Metadata)>, Error> {
        let Some(file) = opened.file.as_deref().filter(|_| !self.is_compressed()) else {
            return Ok(None);
        };
        let metadata = file.metadata();
        let metadata = metadata.map_err(|error| cannot_open(&self.path, error))?;
        Ok(metadata.is_file().then_some((file, metadata)))
    }

    /// Checks that a file's content was read up to a position.
    fn check_traces(&self, file: &File, position: u64, traces: Traces) -> Result<(), Error> {
        let before = Before::of_file(file, position);
        let before = before.map_err(|source| self.cannot_read(position, source))?;
        match before.as_traces() == traces {
            true => Ok(()),
            false => Err(Error::Changed {
                path: self.path.clone(),
                position,
            }),
        }
    }

    /// The length of an open file.
    pub(crate) fn length(&self, opened: &Opened) -> Result<u64, Error> {
        let metadata = opened.file.as_ref().map(|file| file.metadata()).transpose();
        let metadata = metadata.map_err(|error| cannot_open(&self.path, error))?;
        Ok(metadata.map_or(0, |metadata| metadata.len()))
    }

    fn check_length(&self, length: u64, position: u64) -> Result<(), Error> {
        if length >= position {
            return Ok(());
        }
        Err(Error::Truncated {
            path: self.path.clone(),
            length,
            position,
        })
    }

    pub(crate) fn cannot_read(&self, position: u64, source: io::Error) -> Error {
        Error::Read {
            path: self.path.clone(),
            position,
            source,
        }
    }
}
