//! The command `new`: a package for a flow, from a template.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::error::{RunError, RunErrorKind};

/// The name of the program in the files of a template.
const NAME: &str = "my-flow";
/// The name of the flow in the files of a template.
const FLOW: &str = "my_flow";
/// The dependency in the manifest of a template.
const DEPENDENCY: &str = "path = \"../..\"";

/// The files of a package that `bytewax new` writes; the program `bytewax` contains them.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    /// The name of the template.
    pub name: &'static str,
    /// The files: path and text. The text contains `my-flow` for the program and `my_flow` for the flow.
    pub files: &'static [(&'static str, &'static str)],
}

/// The templates, and where this program comes from.
#[derive(Clone, Copy, Debug)]
pub struct Templates {
    /// The directory of the library when the program was compiled.
    pub library: &'static str,
    /// The version of the library.
    pub version: &'static str,
    /// The files of all templates.
    pub common: &'static [(&'static str, &'static str)],
    /// The templates; the first is the default.
    pub all: &'static [Template],
}

/// What to create.
#[derive(Clone, Debug, Args)]
pub(super) struct NewArgs {
    /// Directory to create; its last part names the package
    directory: PathBuf,

    /// What the program does: `minimal`, `csv` (read a file), `kafka` (topic to topic), `windows` (count by time)
    #[arg(long, value_name = "NAME", default_value = "minimal")]
    template: String,

    /// Checkout of the library to build with [default: the one that built this program; else the release]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
}

impl NewArgs {
    /// Writes the package, and returns what to do next.
    pub(super) fn execute(&self, templates: &Templates) -> Result<String, RunError> {
        let Some(template) = templates.all.iter().find(|it| it.name == self.template) else {
            let names: Vec<_> = templates.all.iter().map(|it| it.name).collect();
            return Err(fault(format!(
                "`{}` is not a template; the templates are `{}`",
                self.template,
                names.join("`, `")
            )));
        };
        let name = self.name()?;
        let dependency = self.dependency(templates)?;
        let directory = &self.directory;
        match fs::create_dir(directory) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let text = format!("`{}` exists; name a new directory", directory.display());
                return Err(fault(text));
            }
            Err(error) => return Err(unwritten(directory, error)),
        }
        for (path, text) in template.files.iter().chain(templates.common) {
            let text = text
                .replace(DEPENDENCY, &dependency)
                .replace(NAME, name)
                .replace(FLOW, &name.replace('-', "_"));
            write(&directory.join(path), &text)?;
        }
        let mut told = format!(
            "wrote `{}`; next:\n  cd {0}\n  cargo test\n  cargo run\n",
            directory.display()
        );
        if dependency.starts_with("path") {
            let _ = writeln!(
                told,
                "`Cargo.toml` names the library by its path on this machine; name a version before you build an image"
            );
        }
        Ok(told)
    }

    /// The name of the package, which is also that of the container and the StatefulSet.
    fn name(&self) -> Result<&str, RunError> {
        let name = self.directory.file_name().and_then(|name| name.to_str());
        let name = name.unwrap_or_default();
        let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if starts && name.chars().all(fits) && !name.ends_with('-') && name.len() <= 40 {
            return Ok(name);
        }
        Err(fault(format!(
            "`{name}` cannot name a package and its container; use 1 to 40 lower-case letters, digits and `-`, with a \
             letter first, such as `my-flow`"
        )))
    }

    /// How the manifest names the library.
    fn dependency(&self, templates: &Templates) -> Result<String, RunError> {
        let path = match &self.path {
            Some(path) => {
                let absolute = path.canonicalize().map_err(|error| {
                    let text = format!("`{}` cannot be read", path.display());
                    fault(text).caused_by(error)
                })?;
                if !is_checkout(&absolute) {
                    return Err(fault(format!(
                        "`{}` is not a checkout of the library: it has no `bytewax-runtime/Cargo.toml`",
                        path.display()
                    )));
                }
                absolute
            }
            None => PathBuf::from(templates.library),
        };
        Ok(match is_checkout(&path) {
            true => format!("path = {:?}", path.display().to_string()),
            false => format!("version = \"{}\"", templates.version),
        })
    }
}

/// Whether the library in this directory has its sibling crates beside it, as in its repository.
fn is_checkout(path: &Path) -> bool {
    path.join("bytewax-runtime/Cargo.toml").is_file()
}

fn write(path: &Path, text: &str) -> Result<(), RunError> {
    let unwritten = |error| unwritten(path, error);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(unwritten)?;
    }
    fs::write(path, text).map_err(unwritten)?;
    if text.starts_with("#!") {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(unwritten)?;
    }
    Ok(())
}

fn unwritten(path: &Path, error: io::Error) -> RunError {
    fault(format!("`{}` cannot be written", path.display())).caused_by(error)
}

fn fault(text: String) -> RunError {
    RunError::new(RunErrorKind::Config, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATES: Templates = Templates {
        library: "/no/such/place",
        version: "0.1.0",
        common: &[("deploy/start", "#!/bin/sh\nexec my-flow\n")],
        all: &[Template {
            name: "minimal",
            files: &[
                (
                    "Cargo.toml",
                    "name = \"my-flow\"\nbytewax = { path = \"../..\" }\n",
                ),
                ("src/main.rs", "dataflow!(\"my_flow\", ..)\n"),
            ],
        }],
    };

    fn args(directory: PathBuf) -> NewArgs {
        NewArgs {
            directory,
            template: "minimal".to_owned(),
            path: None,
        }
    }

    #[test]
    fn writes_the_files_under_the_name() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("top-ten");
        let told = args(package.clone()).execute(&TEMPLATES).unwrap();
        assert!(
            told.starts_with("wrote `") && told.contains("cargo test"),
            "{told}"
        );
        let read = |path| fs::read_to_string(package.join(path)).unwrap();
        assert_eq!(
            read("Cargo.toml"),
            "name = \"top-ten\"\nbytewax = { version = \"0.1.0\" }\n"
        );
        assert_eq!(read("src/main.rs"), "dataflow!(\"top_ten\", ..)\n");
        assert_eq!(read("deploy/start"), "#!/bin/sh\nexec top-ten\n");
        let mode = |path| {
            fs::metadata(package.join(path))
                .unwrap()
                .permissions()
                .mode()
        };
        assert_eq!(mode("deploy/start") & 0o111, 0o111);
        assert_eq!(mode("Cargo.toml") & 0o111, 0);
        // A second time, nothing is overwritten.
        let error = args(package).execute(&TEMPLATES).unwrap_err().to_string();
        assert!(error.contains("exists; name a new directory"), "{error}");
    }

    #[test]
    fn names_that_no_container_has_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["Top", "1st", "a_b", "a-", "", "ä", &"a".repeat(41)] {
            let error = args(dir.path().join(name)).execute(&TEMPLATES).unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains("cannot name a package") || name.is_empty(),
                "{text}"
            );
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let mut other = args(dir.path().join("a"));
        other.template = "flink".to_owned();
        let text = other.execute(&TEMPLATES).unwrap_err().to_string();
        assert_eq!(
            text,
            "`flink` is not a template; the templates are `minimal`"
        );
    }

    #[test]
    fn a_checkout_is_named_by_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let mut new = args(dir.path().join("a"));
        new.path = Some(dir.path().to_owned());
        let text = new.execute(&TEMPLATES).unwrap_err().to_string();
        assert!(text.contains("is not a checkout"), "{text}");
        fs::create_dir(dir.path().join("bytewax-runtime")).unwrap();
        fs::write(dir.path().join("bytewax-runtime/Cargo.toml"), "").unwrap();
        new.execute(&TEMPLATES).unwrap();
        let manifest = fs::read_to_string(dir.path().join("a/Cargo.toml")).unwrap();
        let path = dir.path().canonicalize().unwrap();
        assert!(
            manifest.contains(&format!("path = \"{}\"", path.display())),
            "{manifest}"
        );
    }
}
