//! A backup for tests.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use crate::recovery::Backup;

/// A backup in memory that can be cut off.
pub(super) struct Memory {
    pub(super) objects: Mutex<BTreeMap<String, Vec<u8>>>,
    /// How many objects can still be written.
    pub(super) left: AtomicI64,
    /// What happens before the next call that is like this one.
    pub(super) meanwhile: Mutex<Option<(Call, Act)>>,
}

pub(super) type Act = Box<dyn FnOnce() + Send>;

/// A call that changes the backup or lists it, of an object or a prefix with this in its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Put(&'static str),
    Delete(&'static str),
    List(&'static str),
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

impl Memory {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            objects: Mutex::default(),
            left: AtomicI64::new(i64::MAX),
            meanwhile: Mutex::default(),
        })
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.list("").unwrap()
    }

    /// Lets something happen between what the caller knows and what it does.
    fn pause(&self, is_like: impl FnOnce(Call) -> bool) {
        let mut meanwhile = self.meanwhile.lock().unwrap();
        let found = meanwhile.take_if(|(call, _)| is_like(*call));
        drop(meanwhile);
        if let Some((_, act)) = found {
            act();
        }
    }

    fn spend(&self, puts: i64) -> io::Result<()> {
        if self.left.fetch_sub(puts, Ordering::Relaxed) < puts {
            return Err(io::Error::other("the backup is cut off"));
        }
        Ok(())
    }
}

impl Backup for Memory {
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.pause(|call| matches!(call, Call::Put(part) if name.contains(part)));
        self.spend(1)?;
        let mut objects = self.objects.lock().unwrap();
        if objects.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        objects.insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn get(&self, name: &str) -> io::Result<Vec<u8>> {
        let objects = self.objects.lock().unwrap();
        let object = objects.get(name).cloned();
        object.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        self.pause(|call| matches!(call, Call::List(part) if prefix.contains(part)));
        let objects = self.objects.lock().unwrap();
        let names = objects.keys().filter(|name| name.starts_with(prefix));
        Ok(names.cloned().collect())
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.pause(|call| matches!(call, Call::Delete(part) if name.contains(part)));
        self.spend(0)?;
        self.objects.lock().unwrap().remove(name);
        Ok(())
    }
}
