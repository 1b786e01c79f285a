//! Lists the files that a source reads.

use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use crate::files::Error;

/// One file, or the files of a directory.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub(crate) path: PathBuf,
    pub(crate) pattern: String,
}

impl Listing {
    /// The paths of the files within the directory, in order.
    pub(crate) fn within(&self) -> Result<Vec<String>, Error> {
        let pattern = Pattern::new(&self.pattern).map_err(|error| Error::Pattern {
            path: self.path.clone(),
            pattern: self.pattern.clone(),
            character: error.pos,
            why: error.msg,
        })?;
        let mut found = Found {
            pattern,
            deep: self.pattern.contains("**") || self.pattern.contains('/'),
            files: Vec::new(),
        };
        found.look_into(&self.path, Path::new(""))?;
        found.files.sort_unstable();
        Ok(found.files)
    }
}

/// The files found in a directory.
struct Found {
    pattern: Pattern,
    /// Whether to search subdirectories.
    deep: bool,
    files: Vec<String>,
}

impl Found {
    /// Searches a directory, with the path `within` the source's directory.
    fn look_into(&mut self, path: &Path, within: &Path) -> Result<(), Error> {
        let cannot_list = |source| Error::List {
            path: path.to_owned(),
            source,
        };
        for entry in path.read_dir().map_err(cannot_list)? {
            let entry = entry.map_err(cannot_list)?;
            let within = within.join(entry.file_name());
            // Follows links. A file that is gone by now, or a broken link, is skipped.
            let Ok(metadata) = entry.path().metadata() else {
                continue;
            };
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            if metadata.is_file() {
                self.add(&entry.path(), &within)?;
            } else if metadata.is_dir() && self.deep && !is_link {
                self.look_into(&entry.path(), &within)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &Path, within: &Path) -> Result<(), Error> {
        let options = MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: false,
        };
        let shown = within.to_string_lossy();
        if !self.pattern.matches_with(&shown, options) {
            return Ok(());
        }
        let name = within.to_str().ok_or_else(|| Error::Name {
            path: path.to_owned(),
        })?;
        self.files.push(name.to_owned());
        Ok(())
    }
}
