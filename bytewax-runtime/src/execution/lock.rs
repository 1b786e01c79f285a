//! The command `lock`: records the names and types of saved state.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::error::{RunError, RunErrorKind};
use crate::flow::{Dataflow, LockFile};

const NAME: &str = "dataflow.lock";

/// Returns the default path of the file: beside the manifest of the package whose `dataflow!` reads it; for a
/// flow without the macro, beside that of the package that Cargo started; else in the working directory.
fn default_path(flow: &Dataflow, started: Option<PathBuf>) -> Result<PathBuf, RunError> {
    let Some(origin) = flow.graph().origin else {
        return Ok(started.unwrap_or_default().join(NAME));
    };
    let package = Path::new(origin.package);
    if !package.is_dir() {
        let text = format!(
            "the package of flow `{}` was in `{}` when the program was compiled, and is not there; name the file \
             with `--file`",
            flow.name(),
            origin.package
        );
        return Err(RunError::new(RunErrorKind::Config, text));
    }
    Ok(package.join(NAME))
}

/// Reads a lock file; a missing file is empty.
pub(super) fn read(path: &Path) -> Result<LockFile, RunError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(path, "read", error)),
    };
    LockFile::read(&text).map_err(|why| {
        let text = format!("the lock file `{}` cannot be read: {why}", path.display());
        RunError::new(RunErrorKind::Config, text)
    })
}

fn failed(path: &Path, what: &str, error: io::Error) -> RunError {
    let text = format!("the lock file `{}` cannot be {what}", path.display());
    RunError::new(RunErrorKind::Config, text).caused_by(error)
}

/// Writes the flow's section of the file, or only checks it.
pub(super) fn lock(flow: &Dataflow, file: Option<&Path>, check: bool) -> Result<String, RunError> {
    flow.check()?;
    let unnumbered = flow.graph().unnumbered();
    if !unnumbered.is_empty() {
        return Err(RunError::new(RunErrorKind::Config, unnumbered.join("\n")));
    }
    let started = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let path = match file {
        Some(path) => path.to_owned(),
        None => default_path(flow, started)?,
    };
    let mut file = read(&path)?;
    let old = file.to_string();
    let is_current = file.is_current();
    let changes = file.lock(flow.graph());
    let new = file.to_string();
    let place = path.display();
    if new == old {
        return Ok(format!("`{place}` is up to date\n"));
    }
    let words = &changes.difference;
    if check && changes.are_of_arguments && !changes.lines.is_empty() && is_current {
        return Ok(format!("{words}`{place}` is up to date\n"));
    }
    let mut lines = String::new();
    for change in &changes.lines {
        let _ = writeln!(lines, "{change}");
    }
    if check {
        let what = match changes.lines.is_empty() {
            true if is_current => "  a step stands in it twice\n",
            true => {
                "  an earlier release has written it: it does not say of which programs the flows are\n"
            }
            false => "",
        };
        let fault = format!(
            "the lock file `{place}` is not up to date; run the command `lock`, and commit it\n{what}{words}{lines}"
        );
        return Err(RunError::new(RunErrorKind::Config, fault.trim_end()));
    }
    // Under another name first: a concurrent compiler reads either the old file or the new one.
    let draft = path.with_extension("lock.new");
    fs::write(&draft, &new).map_err(|error| failed(&path, "written", error))?;
    fs::rename(&draft, &path).map_err(|error| failed(&path, "written", error))?;
    Ok(format!("{lines}wrote `{place}`\n"))
}

/// Reports the changes of saved state between two files, and whether any of them is refused.
#[cfg(feature = "recovery")]
pub(super) fn diff(old: &Path, new: &Path) -> Result<(String, Option<RunError>), RunError> {
    for path in [old, new] {
        fs::metadata(path).map_err(|error| failed(path, "read", error))?;
    }
    let (text, is_refused) = read(old)?.diff(&read(new)?);
    let problem = is_refused.then(|| {
        let text = "a store that the old programs have written is refused by the new ones";
        RunError::new(RunErrorKind::Config, text)
    });
    Ok((text, problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Origin;
    use crate::testing::{TestingSink, TestingSource};

    fn copy(name: &str) -> Dataflow {
        Dataflow::build("copy", |flow| {
            let numbers = flow.input(TestingSource::new([1_u64])).named(name);
            numbers.output(TestingSink::new()).named("out");
        })
    }

    #[test]
    fn is_beside_the_manifest() {
        let started = Some(PathBuf::from("/home/shop"));
        let path = default_path(&copy("a"), started.clone()).unwrap();
        assert_eq!(path, Path::new("/home/shop/dataflow.lock"));
        let path = default_path(&copy("a"), None).unwrap();
        assert_eq!(path, Path::new("dataflow.lock"));
        // The package whose macro reads it comes first.
        let of = |package: &'static str| {
            copy("a").with_origin(Origin {
                package,
                program: "",
                was: None,
                lock: None,
                arguments: &[],
            })
        };
        let dir = tempfile::tempdir().unwrap();
        let place: &'static str = dir.path().display().to_string().leak();
        let path = default_path(&of(place), started.clone()).unwrap();
        assert_eq!(path, dir.path().join(NAME));
        let error = default_path(&of("/no/such/place"), started)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`/no/such/place`") && error.contains("with `--file`"),
            "{error}"
        );
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

    #[cfg(feature = "recovery")]
    #[test]
    fn two_files_differ_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let [old, new] = ["old.lock", "new.lock"].map(|name| dir.path().join(name));
        let error = diff(&old, &new).unwrap_err().to_string();
        assert!(error.contains("old.lock` cannot be read"), "{error}");
        for path in [&old, &new] {
            lock(&copy("a"), Some(path), false).unwrap();
        }
        let (text, problem) = diff(&old, &new).unwrap();
        assert_eq!(text, "no saved state changes\n");
        assert!(problem.is_none());
        lock(&copy("b"), Some(&new), false).unwrap();
        let (text, problem) = diff(&old, &new).unwrap();
        assert_eq!(
            text,
            "flow `copy`:\n  kept: 1 step\n  new: the source `b`, which starts empty\n  refused: the source `a` is \
             gone, and is neither dropped nor kept\n"
        );
        assert!(problem.is_some());
        // The same message is used for a file that is not up to date.
        let error = lock(&copy("b"), Some(&old), true).unwrap_err().to_string();
        let words = text.replace("flow `copy`:\n", "");
        assert!(error.contains(&words), "{error}");
        assert!(
            error.contains("\n- \"a\" = ") && error.contains("\n+ \"b\" = "),
            "{error}"
        );
        fs::write(&old, "\n[other]\n\"a\" = { kind = \"sink\" }\n").unwrap();
        let (text, problem) = diff(&old, &new).unwrap();
        assert!(
            text.starts_with("flow `copy`: new, with 2 steps\nflow `other`: gone;"),
            "{text}"
        );
        assert!(problem.is_none());
    }

    #[test]
    fn a_place_that_is_none_is_told() {
        let error = lock(&copy("a"), Some(Path::new("/no/such/place")), false).unwrap_err();
        let text = error.to_string();
        assert_eq!(text, "the lock file `/no/such/place` cannot be written");
    }
}
