//! Writes a file from a position on.

#[cfg(unix)]
use std::fs;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use bytewax_runtime::sink::StatefulSinkPartition;
use bytewax_runtime::{Epoch, StepError};

use super::encode::{Encode, Lines};
use super::{Compression, Error};
use crate::records::Frame;

/// An opened file of a [`FileSink`](super::FileSink) or a [`DirSink`](super::DirSink).
///
/// # Examples
///
/// ```
/// use bytewax_connectors::files::DirSink;
/// use bytewax_runtime::sink::{FixedPartitionedSink, StatefulSinkPartition};
///
/// fn open(sink: &DirSink, resume: Option<u64>) -> impl StatefulSinkPartition<u64, Position = u64> {
///     FixedPartitionedSink::<String, u64, _>::open(sink, "part_0", resume).unwrap()
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let directory = directory.path();
/// let sink = DirSink::new(directory, 1);
/// let mut file = open(&sink, None);
/// file.write_batch(vec![1, 22]).unwrap();
/// let position = file.snapshot().unwrap();
/// file.write_batch(vec![333]).unwrap();
/// drop(file); // A crash.
///
/// open(&sink, Some(position)).write_batch(vec![4]).unwrap();
/// assert_eq!(std::fs::read_to_string(directory.join("part_0"))?, "1\n22\n4\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FileSinkPartition<E = Lines> {
    path: PathBuf,
    encode: E,
    file: File,
    /// The number of bytes written.
    position: u64,
    /// Whether writes must be synced: not for pipes and devices.
    regular: bool,
    /// Whether all writes are synced.
    synced: bool,
    /// Whether the directory entry of the file is synced.
    listed: bool,
    /// The bytes of a batch; the buffer is reused.
    bytes: Vec<u8>,
    compression: Compression,
    /// The compressed bytes of this epoch, if the file is compressed.
    frame: Option<Frame>,
}

impl<E> FileSinkPartition<E> {
    /// Opens a file and truncates it to a saved position, or empties it.
    pub(crate) fn open(
        path: &Path,
        compression: Option<Compression>,
        encode: E,
        resume: Option<u64>,
    ) -> Result<Self, Error> {
        let position = resume.unwrap_or(0);
        let compression = compression.unwrap_or_else(|| Compression::of(path));
        if compression != Compression::None && compression.frame().is_none() {
            return Err(Error::Compressed {
                path: path.to_owned(),
                feature: compression.feature(),
            });
        }
        let cannot_open = |source| match position {
            0 => Error::Create {
                path: path.to_owned(),
                source,
            },
            _ => Error::Reopen {
                path: path.to_owned(),
                position,
                source,
            },
        };
        let mut options = OpenOptions::new();
        options.write(true).create(position == 0).truncate(false);
        let mut file = options.open(path).map_err(cannot_open)?;
        let metadata = file.metadata().map_err(cannot_open)?;
        let regular = metadata.is_file();
        if regular {
            lock(&file, path)?;
            if metadata.len() < position {
                return Err(Error::CutShort {
                    path: path.to_owned(),
                    length: metadata.len(),
                    position,
                });
            }
            file.set_len(position).map_err(cannot_open)?;
            file.seek(SeekFrom::Start(position)).map_err(cannot_open)?;
        } else if position > 0 {
            return Err(Error::NotCuttable {
                path: path.to_owned(),
                position,
            });
        }
        Ok(Self {
            path: path.to_owned(),
            encode,
            file,
            position,
            regular,
            synced: position > 0,
            listed: position > 0,
            bytes: Vec::new(),
            compression,
            frame: None,
        })
    }

    fn cannot_write(&self, source: io::Error) -> Error {
        Error::Write {
            path: self.path.clone(),
            position: self.position,
            source,
        }
    }

    fn write<V>(&mut self, values: &[V]) -> Result<(), Error>
    where
        E: Encode<V>,
    {
        self.bytes.clear();
        // A frame in progress is not empty.
        let before = self.position + u64::from(self.frame.is_some());
        let encoded = self.encode.encode(values, before, &mut self.bytes);
        encoded.map_err(|why| Error::Format {
            path: self.path.clone(),
            position: self.position,
            why,
        })?;
        if self.compression == Compression::None {
            return self.write_bytes();
        }
        let plain = std::mem::take(&mut self.bytes);
        let compressed = self.compress(&plain);
        compressed.map_err(|error| self.cannot_write(error))?;
        self.write_bytes()
    }

    /// Adds bytes to the frame of the epoch, and appends the compressed bytes so far to the buffer.
    fn compress(&mut self, plain: &[u8]) -> io::Result<()> {
        if self.frame.is_none() {
            self.frame = self.compression.frame().transpose()?;
        }
        match &mut self.frame {
            Some(frame) => frame.add(plain, &mut self.bytes),
            None => Ok(()),
        }
    }

    /// Ends the frame of the epoch, so that the file is complete up to here.
    fn end_frame(&mut self) -> Result<(), Error> {
        if let Some(frame) = self.frame.take() {
            self.bytes.clear();
            let finished = frame.finish(&mut self.bytes);
            finished.map_err(|error| self.cannot_write(error))?;
            self.write_bytes()?;
        }
        Ok(())
    }

    fn write_bytes(&mut self) -> Result<(), Error> {
        let written = self.file.write_all(&self.bytes);
        written.map_err(|error| self.cannot_write(error))?;
        self.position += self.bytes.len() as u64;
        self.synced = false;
        Ok(())
    }

    /// Syncs all writes, and checks that the file can be found.
    fn sync(&mut self) -> Result<(), Error> {
        self.end_frame()?;
        if !self.regular {
            return Ok(());
        }
        if !self.synced {
            self.file
                .sync_data()
                .map_err(|error| self.cannot_write(error))?;
        }
        self.check()?;
        if !self.listed {
            sync_directory(&self.path).map_err(|error| self.cannot_write(error))?;
        }
        (self.synced, self.listed) = (true, true);
        Ok(())
    }

    /// Checks whether the path still leads to the open file, and the file has all that was written.
    fn check(&self) -> Result<(), Error> {
        if !self.regular {
            return Ok(());
        }
        let metadata = self.file.metadata();
        let metadata = metadata.map_err(|error| self.cannot_write(error))?;
        self.check_name(&metadata)?;
        let length = metadata.len();
        if length < self.position {
            return Err(Error::CutShort {
                path: self.path.clone(),
                length,
                position: self.position,
            });
        }
        Ok(())
    }

    /// Checks whether the path still leads to the open file.
    #[cfg(unix)]
    fn check_name(&self, open: &Metadata) -> Result<(), Error> {
        use std::os::unix::fs::MetadataExt;
        let how = match fs::metadata(&self.path) {
            Ok(named) if (named.dev(), named.ino()) == (open.dev(), open.ino()) => return Ok(()),
            Ok(_) => "another file is in its place",
            Err(error) if is_missing(&error) => "it is not there any more",
            Err(error) => return Err(self.cannot_write(error)),
        };
        Err(Error::Vanished {
            path: self.path.clone(),
            how,
            position: self.position,
        })
    }

    /// On other systems, an open file cannot be removed or renamed.
    #[cfg(not(unix))]
    fn check_name(&self, _: &Metadata) -> Result<(), Error> {
        Ok(())
    }
}

impl<V, E: Encode<V>> StatefulSinkPartition<V> for FileSinkPartition<E> {
    type Position = u64;

    fn write_batch(&mut self, values: Vec<V>) -> Result<(), StepError> {
        Ok(self.write(&values)?)
    }

    fn end_epoch(&mut self, _: Epoch) -> Result<(), StepError> {
        self.end_frame()?;
        // Without values, no position is saved in this epoch, and without a recovery store in none.
        Ok(self.check()?)
    }

    fn snapshot(&mut self) -> Result<u64, StepError> {
        self.sync()?;
        Ok(self.position)
    }

    fn close(&mut self) -> Result<(), StepError> {
        Ok(self.sync()?)
    }
}

#[cfg(unix)]
fn is_missing(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// How long to wait for a lock that is held. A killed process may still be exiting when the program is
/// restarted, and a program that it was just starting shares its files for a moment.
const WAIT: Duration = Duration::from_secs(1);
const TURN: Duration = Duration::from_millis(5);

/// Locks the file against other sinks until it is closed, even by a crash.
fn lock(file: &File, path: &Path) -> Result<(), Error> {
    let start = Instant::now();
    loop {
        match file.try_lock() {
            // Some file systems have no locks; the file can still be written.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(()),
            Err(TryLockError::WouldBlock) if start.elapsed() < WAIT => thread::sleep(TURN),
            Err(TryLockError::WouldBlock) => {
                return Err(Error::InUse {
                    path: path.to_owned(),
                });
            }
        }
    }
}

/// The directory that contains a file.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(directory) if directory != Path::new("") => directory,
        _ => Path::new("."),
    }
}

/// Syncs the directory entry of a new file.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(directory_of(path))?.sync_all()
}

/// On other systems a directory cannot be opened, and the system syncs its entries.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
