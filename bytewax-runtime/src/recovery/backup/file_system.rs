//! A backup in a directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Backup;

/// The extension of files that are being written.
const UNFINISHED: &str = "tmp";

/// A backup in a directory, on a disk that outlives the machine or that other machines see too.
///
/// Each object is a file. It is written under another name, synced to disk, and then linked to its own name,
/// so that it appears whole or not at all. A file with the extension `.tmp` is left over from a killed
/// process and can be removed.
///
/// # Examples
///
/// ```
/// use bytewax_runtime::backup::{Backup, FileSystemBackup};
///
/// let dir = tempfile::tempdir()?;
/// let backup = FileSystemBackup::new(dir.path().join("backup"));
/// backup.put("orders/a", b"1")?;
/// assert_eq!(backup.list("orders/")?, ["orders/a"]);
/// assert_eq!(backup.get("orders/a")?, b"1");
/// backup.delete("orders/a")?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct FileSystemBackup {
    root: PathBuf,
}

impl FileSystemBackup {
    /// Creates a backup in this directory. The first object creates the directory.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Creates a directory in the backup that survives a power failure.
    fn make(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(dir)?;
        let above = dir.ancestors().skip(1);
        for dir in above.take_while(|dir| dir.starts_with(&self.root)) {
            sync_dir(dir);
        }
        if let Some(dir) = self.root.parent() {
            sync_dir(dir);
        }
        Ok(())
    }
}

impl Backup for FileSystemBackup {
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        static FILES: AtomicU64 = AtomicU64::new(0);
        let path = self.path(name);
        let dir = path.parent().unwrap_or(&self.root);
        self.make(dir)?;
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let mut draft = path.clone().into_os_string();
        draft.push(format!(".{}-{number}.{UNFINISHED}", std::process::id()));
        let draft = PathBuf::from(draft);
        let stored = write_whole(&draft, bytes).and_then(|()| link(&draft, &path));
        // Whether it has its name or failed, the other name is no longer needed.
        let removed = fs::remove_file(&draft);
        stored?;
        removed.or_else(ignore_missing)?;
        sync_dir(dir);
        Ok(())
    }

    fn get(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path(name))
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        match list(&self.path(prefix), prefix, &mut names) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            listed => listed.map(|()| names),
        }
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name)).or_else(ignore_missing)
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Renames a file, if the new name is free.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        // File systems without links: nearly as good, unless two runs write at once.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
            ) =>
        {
            if to.exists() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)
        }
        linked => linked,
    }
}

fn ignore_missing(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    }
}

/// Makes names survive a power failure. Not all systems can open a directory.
fn sync_dir(dir: &Path) {
    let _ = File::open(dir).and_then(|dir| dir.sync_all());
}

fn list(dir: &Path, prefix: &str, names: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let name = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            list(&path, &format!("{name}/"), names)?;
        } else if path.extension().is_none_or(|ending| ending != UNFINISHED) {
            names.push(name);
        }
    }
    Ok(())
}
