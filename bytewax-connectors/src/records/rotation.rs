//! Finds a log file after its rotation.
//!
//! `app.log` is renamed to `app.log.1`, `app.log-20240131`, `app-20240131.log` or the like, and may then be
//! compressed; or it is copied there and truncated.

use std::fs::Metadata;
use std::path::Path;
use std::time::SystemTime;

use super::compression::Compression;
use super::identity::FileId;
use super::place::Place;
use super::position::FilePosition;
use crate::files::Error;

/// A file that had the name of the followed file, or a copy of it.
#[derive(Clone, Debug)]
pub(crate) struct Rotated {
    pub(crate) place: Place,
    pub(crate) id: FileId,
    pub(crate) modified: SystemTime,
}

/// The files that had this name, the oldest first.
pub(crate) fn rotated(path: &Path) -> Result<Vec<Rotated>, Error> {
    let directory = match path.parent() {
        Some(directory) if directory != Path::new("") => directory,
        _ => Path::new("."),
    };
    let cannot_list = |source| Error::List {
        path: directory.to_owned(),
        source,
    };
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in directory.read_dir().map_err(cannot_list)? {
        let entry = entry.map_err(cannot_list)?;
        let other = entry.file_name();
        if !other.to_str().is_some_and(|other| is_rotated(name, other)) {
            continue;
        }
        // One that is gone by now is skipped.
        let Ok(metadata) = entry.path().metadata() else {
            continue;
        };
        if metadata.is_file() {
            found.push(Rotated {
                id: FileId::of(&metadata),
                modified: modified(&metadata),
                place: Place::new(directory.join(other), None),
            });
        }
    }
    found.sort_by_key(|rotated| (rotated.modified, rotated.place.path.clone()));
    Ok(found)
}

/// The modification time of a file.
pub(crate) fn modified(metadata: &Metadata) -> SystemTime {
    metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Whether a name is another name with a number or a date after it, or before its extension.
fn is_rotated(name: &str, other: &str) -> bool {
    let other_path = Path::new(other);
    let other = match Compression::of(other_path) {
        Compression::None => other,
        _ => other_path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or(other),
    };
    let is_mark = |mark: &str| {
        mark.starts_with(['.', '-', '_'])
            && mark.bytes().any(|byte| byte.is_ascii_digit())
            && mark
                .bytes()
                .all(|byte| byte.is_ascii_digit() || b".-_:T".contains(&byte))
    };
    if other.strip_prefix(name).is_some_and(is_mark) {
        return true;
    }
    let Some((stem, ending)) = name.rsplit_once('.') else {
        return false;
    };
    let mark = other
        .strip_prefix(stem)
        .and_then(|rest| rest.strip_suffix(ending)?.strip_suffix('.'));
    mark.is_some_and(is_mark)
}

/// The certainty that a file is the one that was read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Match {
    /// Its content is the same up to the position: it may be a copy.
    Content,
    /// It is the same file too.
    File,
}

/// Whether a file is the one that was read up to a position, or a copy of it.
pub(crate) fn matches(
    place: &Place,
    id: FileId,
    position: &FilePosition,
    known: FileId,
) -> Option<Match> {
    let is_same = id == known;
    // One that cannot be opened, or that is shorter, is not the right one.
    let opened = place.open(position.byte()).ok()?;
    let traces = position.traces()?;
    match (opened.window.traces() == traces, is_same) {
        (false, _) => None,
        (true, true) => Some(Match::File),
        // With so few bytes, many files have equal content.
        (true, false) if position.byte() == 0 => None,
        (true, false) => Some(Match::Content),
    }
}

/// Finds the file that was read up to a position, under its own name or a later one.
pub(crate) fn find(
    path: &Path,
    compression: Option<Compression>,
    position: &FilePosition,
    known: FileId,
) -> Result<Option<(Place, FileId, Match)>, Error> {
    let mut best: Option<(Place, FileId, Match)> = None;
    let own = path.metadata().ok().map(|metadata| Rotated {
        place: Place::new(path.to_owned(), compression),
        id: FileId::of(&metadata),
        modified: modified(&metadata),
    });
    // The newest first: the others were probably read long ago.
    for rotated in own.into_iter().chain(rotated(path)?.into_iter().rev()) {
        let matched = matches(&rotated.place, rotated.id, position, known);
        if matched > best.as_ref().map(|(_, _, matched)| *matched) {
            best = matched.map(|matched| (rotated.place, rotated.id, matched));
        }
        if matched == Some(Match::File) {
            break;
        }
    }
    Ok(best)
}

/// The file that got the name after another, which was last written at this time and read up to this
/// position; `None` if that one still has the name.
pub(crate) fn next_after(
    path: &Path,
    id: FileId,
    written: SystemTime,
    position: &FilePosition,
) -> Result<Option<Rotated>, Error> {
    let own = path.metadata().ok().map(|metadata| FileId::of(&metadata));
    let mut later = rotated(path)?.into_iter().filter(|rotated| {
        let is_other = rotated.id != id && Some(rotated.id) != own;
        // It may have been compressed since.
        is_other
            && rotated.modified > written
            && matches(&rotated.place, rotated.id, position, id).is_none()
    });
    Ok(later.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rotated_files() {
        for other in [
            "app.log.1",
            "app.log.12.gz",
            "app.log-20240131",
            "app.log-20240131.zst",
            "app.log.2024-01-31T10:00",
            "app-20240131.log",
            "app.1.log",
            "app.2024-01-31.log.xz",
        ] {
            assert!(is_rotated("app.log", other), "{other}");
        }
        for other in [
            "app.log",
            "app.log.gz",
            "app.log.lock",
            "app.log.offset1",
            "application.log",
            "app1.log",
            "app..log",
            "other.log.1",
            "app.log.1.txt",
        ] {
            assert!(!is_rotated("app.log", other), "{other}");
        }
        assert!(is_rotated("messages", "messages.1"));
        assert!(!is_rotated("messages", "messages"));
    }
}
