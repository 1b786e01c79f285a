//! Checks whether the open files still have their names.
//!
//! A file that was removed or replaced, or that is on a volume that was unmounted by force, can still be
//! written, but the data is lost. Therefore, the names are looked up again before anything counts as saved.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::Error;

/// The device of a file, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId(u64, u64);

impl FileId {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self(metadata.dev(), metadata.ino()))
    }
}

/// Open files, with the names that lead to them.
#[derive(Debug)]
pub(super) struct Identity {
    files: Vec<(PathBuf, FileId)>,
}

impl Identity {
    /// Records files that were just opened by these names.
    pub(super) fn of(paths: impl IntoIterator<Item = PathBuf>) -> Result<Self, Error> {
        let note = |path: PathBuf| {
            let id = FileId::of(&path).map_err(Error::io(&path, "opening it"))?;
            Ok::<_, Error>((path, id))
        };
        let files = paths.into_iter().map(note).collect::<Result<_, _>>()?;
        Ok(Self { files })
    }

    /// Checks whether all of the files still exist.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.files.iter().try_for_each(|(path, id)| {
            let how = match FileId::of(path) {
                Ok(found) if found == *id => return Ok(()),
                Ok(_) => "another file is in its place",
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => "it is not there any more",
                Err(cause) if cause.kind() == io::ErrorKind::NotADirectory => {
                    "its directory is not there any more"
                }
                Err(cause) => {
                    return Err(Error::io(path, "looking whether it is still there")(cause));
                }
            };
            let file = path.clone();
            Err(Error::Vanished { file, how })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&Path), expected: &str) {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("store");
        fs::create_dir(&dir).unwrap();
        let file = dir.join("part");
        fs::write(&file, "").unwrap();
        let identity = Identity::of([file.clone()]).unwrap();
        identity.check().unwrap();
        change(&file);
        let error = identity.check().unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "`{}` was lost while the flow ran: {expected}, so nothing more can be saved in it; \
                 bring the file back, or mount its volume again, and run the flow again: it resumes \
                 from the last epoch that the files hold",
                file.display()
            )
        );
    }

    #[test]
    fn a_file_that_is_removed_moved_or_replaced_is_told() {
        let gone = "it is not there any more";
        check(|file| fs::remove_file(file).unwrap(), gone);
        check(
            |file| fs::rename(file, file.with_extension("old")).unwrap(),
            gone,
        );
        check(
            |file| fs::remove_dir_all(file.parent().unwrap()).unwrap(),
            gone,
        );
        let replace = |file: &Path| {
            fs::write(file.with_extension("new"), "").unwrap();
            fs::rename(file.with_extension("new"), file).unwrap();
        };
        check(replace, "another file is in its place");
        let replace_dir = |file: &Path| {
            let dir = file.parent().unwrap();
            fs::rename(dir, dir.with_extension("old")).unwrap();
            fs::write(dir, "").unwrap();
        };
        check(replace_dir, "its directory is not there any more");
    }
}
