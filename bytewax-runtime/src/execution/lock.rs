//! The command `lock`: writes down what a flow saves state under.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::error::{RunError, RunErrorKind};
use crate::flow::{Dataflow, LockFile};

const NAME: &str = "dataflow.lock";

/// Where the file is: beside the package's manifest if Cargo has started the program, and else in the
/// working directory.
fn default_path(package: Option<PathBuf>) -> PathBuf {
    package.unwrap_or_default().join(NAME)
}

/// Writes the flow's section of the file, or only tells whether it is as it should be.
pub(super) fn lock(flow: &Dataflow, file: Option<&Path>, check: bool) -> Result<String, RunError> {
    flow.check()?;
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let path = file.map_or_else(|| default_path(package), Path::to_owned);
    let failed = |what: &str, error: io::Error| {
        let text = format!("the lock file `{}` cannot be {what}", path.display());
        RunError::new(RunErrorKind::Config, text).caused_by(error)
    };
    let old = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed("read", error)),
    };
    let mut file = LockFile::read(&old);
    let changes = file.lock(flow.graph());
    let new = file.to_string();
    let place = path.display();
    if new == old {
        return Ok(format!("`{place}` is up to date\n"));
    }
    let mut text = String::new();
    for change in &changes {
        let _ = writeln!(text, "{change}");
    }
    if check {
        let fault = format!(
            "the lock file `{place}` is not up to date; run the command `lock`, and commit it\n{text}"
        );
        return Err(RunError::new(RunErrorKind::Config, fault.trim_end()));
    }
    // Under another name first: a compiler that runs beside reads the old file or the new one.
    let draft = path.with_extension("lock.new");
    fs::write(&draft, &new).map_err(|error| failed("written", error))?;
    fs::rename(&draft, &path).map_err(|error| failed("written", error))?;
    Ok(format!("{text}wrote `{place}`\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestingSink, TestingSource};

    fn copy(name: &str) -> Dataflow {
        Dataflow::build("copy", |flow| {
            let numbers = flow.input(TestingSource::new([1_u64])).named(name);
            numbers.output(TestingSink::new()).named("out");
        })
    }

    #[test]
    fn is_beside_the_manifest() {
        let path = default_path(Some(PathBuf::from("/home/shop")));
        assert_eq!(path, Path::new("/home/shop/dataflow.lock"));
        assert_eq!(default_path(None), Path::new("dataflow.lock"));
    }

    #[test]
    fn is_written_once_and_checked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        let error = lock(&copy("a"), Some(&path), true).unwrap_err().to_string();
        assert!(error.contains("is not up to date"), "{error}");
        assert!(!path.exists());
        let told = lock(&copy("a"), Some(&path), false).unwrap();
        assert!(told.starts_with("+ \"a\" = { kind = \"source\""), "{told}");
        assert!(
            told.ends_with(&format!("wrote `{}`\n", path.display())),
            "{told}"
        );
        for check in [true, false] {
            let told = lock(&copy("a"), Some(&path), check).unwrap();
            assert_eq!(told, format!("`{}` is up to date\n", path.display()));
        }
        let told = lock(&copy("b"), Some(&path), false).unwrap();
        assert!(
            told.contains("- \"a\" = ") && told.contains("+ \"b\" = "),
            "{told}"
        );
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("\n[copy]\n\"b\" = "), "{text}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_place_that_is_none_is_told() {
        let error = lock(&copy("a"), Some(Path::new("/no/such/place")), false).unwrap_err();
        let text = error.to_string();
        assert_eq!(text, "the lock file `/no/such/place` cannot be written");
    }
}
