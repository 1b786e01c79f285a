//! A backup in an object store.

use std::fmt;
use std::io;
use std::sync::Arc;

use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use tokio::runtime::{Builder, Runtime};

use super::Backup;

/// A backup in an object store: S3, Google Cloud Storage, Azure, and others that the crate `object_store`
/// supports.
///
/// The crate retries temporary failures. The store must support storing an object only if its name is free,
/// as these three do; this prevents two runs from writing to one backup.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use bytewax_runtime::backup::{Backup, ObjectStoreBackup};
///
/// let store = object_store::memory::InMemory::new();
/// let backup = ObjectStoreBackup::new(Arc::new(store))?;
/// backup.put("orders/a", b"1")?;
/// assert_eq!(backup.list("orders/")?, ["orders/a"]);
/// assert_eq!(backup.get("orders/a")?, b"1");
/// # std::io::Result::Ok(())
/// ```
pub struct ObjectStoreBackup {
    store: Arc<dyn ObjectStore>,
    runtime: Runtime,
}

impl ObjectStoreBackup {
    /// Creates a backup in this store. Use its `PrefixStore` to keep the objects in a part of it.
    ///
    /// # Errors
    ///
    /// Fails if the system lacks the resources for a `tokio` runtime.
    pub fn new(store: Arc<dyn ObjectStore>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { store, runtime })
    }

    /// Creates a backup at an address such as `s3://bucket/prefix`. Keys, regions and similar settings come
    /// from the environment, with the names of the crate `object_store`, such as `AWS_ACCESS_KEY_ID`.
    ///
    /// # Errors
    ///
    /// Fails if the address is not that of an object store, or if the store needs a feature of the crate
    /// `object_store` that is not enabled.
    pub fn at(address: &str) -> io::Result<Self> {
        let url = address.parse().map_err(io::Error::other)?;
        let variables = std::env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let (store, prefix) = object_store::parse_url_opts(&url, variables).map_err(error)?;
        Self::new(Arc::new(PrefixStore::new(store, prefix)))
    }

    async fn list_all(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        let mut prefixes = vec![Path::parse(prefix)?];
        while let Some(prefix) = prefixes.pop() {
            let listed = self.store.list_with_delimiter(Some(&prefix)).await?;
            let found = listed.objects.into_iter();
            names.extend(found.map(|object| object.location.to_string()));
            prefixes.extend(listed.common_prefixes);
        }
        Ok(names)
    }
}

impl fmt::Debug for ObjectStoreBackup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStoreBackup")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl Backup for ObjectStoreBackup {
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let name = path(name)?;
        let if_free = PutOptions::from(PutMode::Create);
        let put = self.store.put_opts(&name, bytes.to_vec().into(), if_free);
        self.runtime.block_on(put).map(drop).map_err(error)
    }

    fn get(&self, name: &str) -> io::Result<Vec<u8>> {
        let name = path(name)?;
        let get = async { self.store.get(&name).await?.bytes().await };
        let bytes = self.runtime.block_on(get).map_err(error)?;
        Ok(bytes.into())
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        self.runtime.block_on(self.list_all(prefix)).map_err(error)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        let name = path(name)?;
        match self.runtime.block_on(self.store.delete(&name)) {
            Err(Error::NotFound { .. }) => Ok(()),
            deleted => deleted.map_err(error),
        }
    }
}

fn path(name: &str) -> io::Result<Path> {
    Path::parse(name).map_err(io::Error::other)
}

fn error(error: Error) -> io::Error {
    let kind = match &error {
        Error::NotFound { .. } => io::ErrorKind::NotFound,
        Error::AlreadyExists { .. } | Error::Precondition { .. } => io::ErrorKind::AlreadyExists,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            io::ErrorKind::PermissionDenied
        }
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
