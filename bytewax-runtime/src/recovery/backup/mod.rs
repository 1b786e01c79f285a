//! Copies of a store in another place, from which it can be made again.
//!
//! With a backup, the partitions in a local directory are a cache: the truth is the *log* of each
//! partition in the backup, a sequence of immutable objects. A *segment* holds what one epoch changed,
//! and a *base* replaces all objects up to its own number by what they amount to. As an object
//! appears whole or not at all, the segment of an epoch is also the mark that the epoch is complete
//! in this partition; an epoch counts when all partitions have theirs, by the same rule as for files
//! (see the module `resume`). To restore a partition is to do again what its writer did.
//!
//! - [`begin()`] says, once, of which store the backup is.
//! - [`restore()`] makes the partitions of a worker, at the start of an execution.
//! - [`Uploader`] writes the logs while the flow runs. An epoch is reported as committed when its
//!   segments are in the backup.
//! - A [`Term`] is the right of a run to write. Of two runs on one backup, the one that began last has
//!   it, and the other is refused before anything counts as saved; see the module `term`.

mod begin;
mod compact;
mod error;
mod fence;
mod file_system;
mod log;
mod object;
#[cfg(feature = "object-store")]
mod object_store;
mod restore;
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
pub(crate) use restore::{Restored, Share, restore, shared_parts};
pub(crate) use term::{Term, take_term};
pub(crate) use upload::Uploads;
pub(super) use upload::{Stopped, Uploader};

/// A place for copies of recovery state that outlives the machine: named objects that never change.
///
/// With a local state directory and a backup, every closed epoch is written to both, and what is
/// missing locally is restored from the backup at the next start, on any machine and with any number
/// of workers. State counts as saved when it is in the backup; only then do sources acknowledge what
/// they read, so nothing acknowledged is lost with a machine.
///
/// [`FileSystemBackup`] keeps the objects in a directory, and `ObjectStoreBackup`, with the feature
/// `object-store`, in S3, Google Cloud Storage, Azure and their like. For another place implement this
/// trait: four blocking calls on small objects. While the flow runs, threads of their own make them,
/// never a worker, some at a time.
///
/// Names are parts of letters, digits, `_`, `-` and `.`, with `/` between them; the first part is the
/// name of the flow, so that many flows can share a backup. Nothing else is stored under a flow's
/// name.
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
    /// Stores an object under a name that is free.
    ///
    /// It must appear whole or not at all, to everybody at once, and survive a crash when this
    /// returns.
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) when the name is taken; the object there is
    /// not changed. Two calls at once for one name must not both succeed: this keeps two runs from
    /// writing to one backup.
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Reads an object. What was stored before, by whomever, must be found.
    ///
    /// # Errors
    ///
    /// [`NotFound`](io::ErrorKind::NotFound) when there is none of this name.
    fn get(&self, name: &str) -> io::Result<Vec<u8>>;

    /// The names of all objects that begin with `prefix`, in any order. The prefix ends with `/`.
    ///
    /// What was stored before must be listed.
    ///
    /// # Errors
    ///
    /// Whatever goes wrong; that nothing was stored yet is an empty list.
    fn list(&self, prefix: &str) -> io::Result<Vec<String>>;

    /// Removes an object. That it is gone already is no error.
    ///
    /// # Errors
    ///
    /// Whatever goes wrong.
    fn delete(&self, name: &str) -> io::Result<()>;
}

/// The backup at a place that a user names: a directory, or the address of an object store.
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

/// Stores an object. That the same one is there already is no error: an answer may have been lost.
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
