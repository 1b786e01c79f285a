//! Recovery directories: making partition files and finding them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::lock::Lock;
use super::parts::{Meta, PartitionCount, PartitionIndex, PartitionState};
use super::sql::{self, Db};

/// What tells a partition file from others; the rest of its name does not matter.
const EXTENSION: &str = "sqlite3";

/// A partition file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionFile {
    pub(crate) file: PathBuf,
    pub(crate) meta: Meta,
}

impl PartitionFile {
    /// Reads all that a resume needs to know of this partition, while nobody writes it.
    pub(crate) fn state(&self) -> Result<PartitionState, Error> {
        let _lock = Lock::partition(&self.file)?;
        Db::open_to_read(&self.file)?.state()
    }
}

/// Makes a store: `part-0.sqlite3` and so on, in a directory that exists and holds no partition.
pub(crate) fn init(dir: &Path, partitions: u32, flow: &str) -> Result<Vec<PartitionFile>, Error> {
    let draft = Draft::begin(dir, partitions, flow)?;
    draft.publish()
}

/// Like [`init`], but makes the directory, and takes the partitions that are in it already.
pub(crate) fn init_on_first_use(
    dir: &Path,
    partitions: u32,
    flow: &str,
) -> Result<Vec<PartitionFile>, Error> {
    fs::create_dir_all(dir).map_err(Error::io(dir, "making the directory"))?;
    match init(dir, partitions, flow) {
        Err(Error::AlreadyInitialised { .. }) => discover(&[dir]),
        made => made,
    }
}

/// Finds the partitions in some directories, in order of their index.
pub(crate) fn discover(dirs: &[impl AsRef<Path>]) -> Result<Vec<PartitionFile>, Error> {
    let mut found: BTreeMap<PartitionIndex, PartitionFile> = BTreeMap::new();
    for dir in dirs {
        for file in partition_files(dir.as_ref())? {
            let meta = Db::open_to_read(&file)?.meta()?;
            let index = meta.index;
            let former = found.insert(
                index,
                PartitionFile {
                    file: file.clone(),
                    meta,
                },
            );
            if let Some(former) = former.filter(|former| former.file != file) {
                return Err(Error::Duplicate {
                    index,
                    first: former.file,
                    second: file,
                });
            }
        }
    }
    Ok(found.into_values().collect())
}

/// The files with the extension of partitions, by name.
fn partition_files(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let missing = |cause: io::Error| match cause.kind() {
        io::ErrorKind::NotFound => Error::NoDirectory {
            dir: dir.to_path_buf(),
        },
        _ => Error::io(dir, "listing the directory")(cause),
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(missing)? {
        let file = entry.map_err(missing)?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == EXTENSION)
        {
            // The same directory may be given twice, by two names.
            files.push(
                file.canonicalize()
                    .map_err(Error::io(&file, "resolving its name"))?,
            );
        }
    }
    files.sort();
    Ok(files)
}

/// A store in the making: its files get the extension of partitions when all are ready.
pub(super) struct Draft {
    dir: PathBuf,
    _lock: Lock,
    parts: Vec<PartitionFile>,
}

impl Draft {
    /// Makes partition files under names that nobody takes for partitions.
    pub(super) fn begin(dir: &Path, partitions: u32, flow: &str) -> Result<Self, Error> {
        let count = PartitionCount::new(partitions).ok_or(Error::Count { count: partitions })?;
        refuse_occupied(dir)?;
        let lock = Lock::directory(dir)?;
        // Again, because another process may have made a store before the lock was taken.
        refuse_occupied(dir)?;
        let store = sql::random_store_id()?;
        let mut parts = Vec::new();
        for index in count.indices() {
            let file = dir.join(format!("part-{index}.draft"));
            for ending in ["", "-wal", "-shm"] {
                remove_if_there(&beside(&file, ending))?;
            }
            let meta = Meta {
                store,
                flow: flow.to_owned(),
                index,
                count,
            };
            Db::create(&file, &meta)?;
            parts.push(PartitionFile { file, meta });
        }
        Ok(Self {
            dir: dir.to_path_buf(),
            _lock: lock,
            parts,
        })
    }

    pub(super) fn parts(&self) -> &[PartitionFile] {
        &self.parts
    }

    /// Gives the files their names. Nobody may have them open.
    pub(super) fn publish(self) -> Result<Vec<PartitionFile>, Error> {
        let mut parts = Vec::new();
        for part in self.parts {
            let sync = File::open(&part.file).and_then(|file| file.sync_all());
            sync.map_err(Error::io(&part.file, "making it"))?;
            if beside(&part.file, "-wal").exists() {
                // Its log was not emptied on closing, and would be lost by the new name.
                return Err(Error::damaged(&part.file, "it was not written to the end"));
            }
            let file = part.file.with_extension(EXTENSION);
            fs::rename(&part.file, &file).map_err(Error::io(&file, "making it"))?;
            parts.push(PartitionFile {
                file,
                meta: part.meta,
            });
        }
        // So that the names survive a power cut. Not all systems can open a directory.
        let _ = File::open(&self.dir).and_then(|dir| dir.sync_all());
        Ok(parts)
    }
}

fn refuse_occupied(dir: &Path) -> Result<(), Error> {
    match partition_files(dir)?.into_iter().next() {
        Some(file) => Err(Error::AlreadyInitialised { file }),
        None => Ok(()),
    }
}

/// The file of this name with an ending more.
fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Removes what an interrupted attempt left.
fn remove_if_there(file: &Path) -> Result<(), Error> {
    match fs::remove_file(file) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(file, "removing an unfinished partition")(cause))
        }
        _ => Ok(()),
    }
}
