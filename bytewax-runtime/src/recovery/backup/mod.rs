//! Copies of a store in another place, from which it can be restored.
//!
//! With a backup, the partitions in a local directory are a cache: the *log* of each partition in the backup
//! is authoritative, a sequence of immutable objects. A *segment* contains the changes of one epoch, and a
//! *base* replaces all objects up to its own number by their combined result. An object appears whole or not
//! at all, so the segment of an epoch also marks the epoch as complete in this partition; an epoch counts
//! when all partitions have completed it, by the same rule as for files (see the module `resume`). A restore
//! of a partition replays the work of its writer.
//!
//! - [`begin()`] records, once, which store the backup belongs to.
//! - [`restore()`] creates the partitions of a worker, at the start of an execution.
//! - [`Uploader`] writes the logs while the flow runs. An epoch is reported as committed when its segments
//!   are in the backup.
//! - A savepoint is a backup within the backup; see the module `savepoint`.
//! - A [`Term`] is the right of a run to write. Of two runs on one backup, the one that started last has it,
//!   and the other is refused before anything counts as saved; see the module `term`.

mod begin;
mod compact;
mod earlier;
mod error;
mod fence;
mod file_system;
mod log;
mod object;
#[cfg(feature = "object-store")]
mod object_store;
mod restore;
#[cfg(any(test, feature = "serve"))]
mod savepoint;
mod term;
mod upload;

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

pub(crate) use begin::begin;
pub(crate) use error::BackupError;
pub use file_system::FileSystemBackup;
pub(super) use object::check as check_object;
#[cfg(feature = "object-store")]
pub use object_store::ObjectStoreBackup;
#[cfg(test)]
pub(crate) use restore::Compared;
pub(crate) use restore::{Restored, Share, compare, restore, shared_parts};
#[cfg(any(test, feature = "serve"))]
pub(crate) use savepoint::savepoint_in_backup;
pub(crate) use term::{Term, take_term};
pub(crate) use upload::Uploads;
pub(super) use upload::{Stopped, Uploader};

/// A place for copies of recovery state that outlives the machine: named, immutable objects.
///
/// With a local state directory and a backup, every closed epoch is written to both. The next start restores
/// missing local state from the backup, on any machine and with any number of workers. State counts as saved
/// when it is in the backup; only then do sources acknowledge their input, so the loss of a machine loses
/// nothing acknowledged.
///
/// [`FileSystemBackup`] stores the objects in a directory, and `ObjectStoreBackup`, with the feature
/// `object-store`, in S3, Google Cloud Storage, Azure and similar stores. For another place, implement this
/// trait: four blocking calls on small objects. While the flow runs, separate threads make these calls
/// concurrently, never a worker.
///
/// Names consist of parts of letters, digits, `_`, `-` and `.`, separated by `/`; the first part is the name
/// of the flow, so many flows can share a backup. Store nothing else under a flow's name.
///
/// # Examples
///
/// ```
/// use std::collections::BTreeMap;
/// use std::io;
/// use std::sync::Mutex;
/// use bytewax_runtime::backup::Backup;
///
/// /// Forgets everything at the end: for tests.
/// #[derive(Debug, Default)]
/// struct MemoryBackup(Mutex<BTreeMap<String, Vec<u8>>>);
///
/// impl Backup for MemoryBackup {
///     fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
///         let mut objects = self.0.lock().unwrap();
///         if objects.contains_key(name) {
///             return Err(io::ErrorKind::AlreadyExists.into());
///         }
///         objects.insert(name.to_owned(), bytes.to_vec());
///         Ok(())
///     }
///
///     fn get(&self, name: &str) -> io::Result<Vec<u8>> {
///         let objects = self.0.lock().unwrap();
///         objects.get(name).cloned().ok_or(io::ErrorKind::NotFound.into())
///     }
///
///     fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
///         let objects = self.0.lock().unwrap();
///         Ok(objects.keys().filter(|name| name.starts_with(prefix)).cloned().collect())
///     }
///
///     fn delete(&self, name: &str) -> io::Result<()> {
///         self.0.lock().unwrap().remove(name);
///         Ok(())
///     }
/// }
///
/// let backup = MemoryBackup::default();
/// backup.put("orders/a", b"1")?;
/// assert!(backup.put("orders/a", b"2").is_err());
/// assert_eq!(backup.list("orders/")?, ["orders/a"]);
/// # io::Result::Ok(())
/// ```
pub trait Backup: Debug + Send + Sync + 'static {
    /// Stores an object under an unused name.
    ///
    /// It must appear whole or not at all, to all readers at once, and survive a crash after this returns.
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if the name is taken; the existing object is not
    /// changed. Two concurrent calls for one name must not both succeed: this prevents two runs from writing
    /// to one backup.
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Reads an object. It must find every object stored before, by any process.
    ///
    /// # Errors
    ///
    /// [`NotFound`](io::ErrorKind::NotFound) if no object has this name.
    fn get(&self, name: &str) -> io::Result<Vec<u8>>;

    /// Returns the names of all objects that begin with `prefix`, in any order. The prefix ends with `/`.
    ///
    /// It must list every object stored before.
    ///
    /// # Errors
    ///
    /// Any failure. An empty backup is an empty list, not an error.
    fn list(&self, prefix: &str) -> io::Result<Vec<String>>;

    /// Removes an object. A missing object is not an error.
    ///
    /// # Errors
    ///
    /// Any failure.
    fn delete(&self, name: &str) -> io::Result<()>;
}

/// Opens the backup at a place: a directory, or the address of an object store.
pub(crate) fn open_backup(place: &str) -> Result<Arc<dyn Backup>, String> {
    let directory = match place.split_once("://") {
        None => place,
        Some(("file", path)) => path,
        Some((scheme, _)) => return open_object_store(place, scheme),
    };
    if directory.is_empty() {
        return Err("the name of the directory is empty".to_owned());
    }
    Ok(Arc::new(FileSystemBackup::new(directory)))
}

#[cfg(feature = "object-store")]
fn open_object_store(address: &str, scheme: &str) -> Result<Arc<dyn Backup>, String> {
    match ObjectStoreBackup::at(address) {
        Ok(backup) => Ok(Arc::new(backup)),
        Err(error) => Err(format!(
            "`{address}` is no object store that this program can use: {error}; build it with the \
             feature of the crate `object_store` that knows `{scheme}://`, such as `aws`, and check \
             the address and the variables of the environment that it needs"
        )),
    }
}

#[cfg(not(feature = "object-store"))]
fn open_object_store(address: &str, scheme: &str) -> Result<Arc<dyn Backup>, String> {
    Err(format!(
        "`{address}` is not a directory, and this program knows no object stores; build it with the \
         feature `object-store` to use `{scheme}://`"
    ))
}

/// Stores an object. If the same object already exists, it succeeds, because an earlier response may have
/// been lost.
fn put_once(backup: &dyn Backup, name: &str, bytes: &[u8]) -> Result<(), BackupError> {
    match backup.put(name, bytes) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if get(backup, name)? == bytes {
                return Ok(());
            }
            Err(BackupError::Conflict {
                name: name.to_owned(),
            })
        }
        Err(cause) => Err(BackupError::io("writing", name, cause)),
    }
}

fn get(backup: &dyn Backup, name: &str) -> Result<Vec<u8>, BackupError> {
    let missing = |cause: io::Error| match cause.kind() {
        io::ErrorKind::NotFound => BackupError::Missing {
            name: name.to_owned(),
        },
        _ => BackupError::io("reading", name, cause),
    };
    backup.get(name).map_err(missing)
}
