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
            parts.push(draft_partition(
                dir,
                Meta {
                    store,
                    flow: flow.to_owned(),
                    index,
                    count,
                },
            )?);
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
        let published = self.parts.into_iter().map(publish_partition);
        let parts = published.collect::<Result<_, _>>()?;
        sync_names(&self.dir);
        Ok(parts)
    }
}

/// Where a partition of this index is made.
pub(super) fn partition_path(dir: &Path, index: PartitionIndex) -> PathBuf {
    dir.join(format!("part-{index}.{EXTENSION}"))
}

/// Makes a partition under a name that nobody takes for one.
pub(super) fn draft_partition(dir: &Path, meta: Meta) -> Result<PartitionFile, Error> {
    let file = partition_path(dir, meta.index).with_extension("draft");
    for ending in ["", "-wal", "-shm"] {
        remove_if_there(&beside(&file, ending))?;
    }
    Db::create(&file, &meta)?;
    Ok(PartitionFile { file, meta })
}

/// Gives a draft its name, instead of a file that has it. Nobody may have them open.
pub(super) fn publish_partition(draft: PartitionFile) -> Result<PartitionFile, Error> {
    let sync = File::open(&draft.file).and_then(|file| file.sync_all());
    sync.map_err(Error::io(&draft.file, "making it"))?;
    if beside(&draft.file, "-wal").exists() {
        // Its log was not emptied on closing, and would be lost by the new name.
        return Err(Error::damaged(&draft.file, "it was not written to the end"));
    }
    let file = partition_path(
        draft.file.parent().unwrap_or(Path::new("")),
        draft.meta.index,
    );
    for ending in ["-wal", "-shm"] {
        remove_if_there(&beside(&file, ending))?;
    }
    fs::rename(&draft.file, &file).map_err(Error::io(&file, "making it"))?;
    Ok(PartitionFile { file, ..draft })
}

/// So that names survive a power cut. Not all systems can open a directory.
pub(super) fn sync_names(dir: &Path) {
    let _ = File::open(dir).and_then(|dir| dir.sync_all());
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
