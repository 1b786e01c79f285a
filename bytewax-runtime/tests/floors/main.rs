//! The floors of the crate: what a module may name.
//!
//! A file names its own floor's module and those below it, never one above. Tests may look up.

mod reader;

use std::fs;
use std::path::{Path, PathBuf};

use reader::{Named, named};

/// The modules of `src/`, bottom up; those of one floor do not name each other. The root, which
/// re-exports from all, is on top.
const FLOORS: &[&[&str]] = &[
    &[
        "ids", "clock", "codec", "brief", "delivery", "weight", "logged", "secret",
    ],
    &["error", "key", "report"],
    &["client", "guard"],
    &["executor"],
    &["state"],
    &["source", "sink"],
    &["kit"],
    &["flow"],
    &["operators"],
    &["windowing"],
    &["recovery"],
    &["worker"],
    &["execution"],
    &["testing"],
    &["prelude", "fuzz"],
];

/// Crates that only some modules name, with those in them.
const CRATES: &[(&str, &[&str])] = &[
    ("backon", &["client"]),
    ("bincode", &["codec"]),
    ("clap", &["execution"]),
    ("http_body_util", &["execution::serve"]),
    ("hyper", &["execution::serve"]),
    ("hyper_util", &["execution::serve"]),
    ("object_store", &["recovery"]),
    ("prometheus_client", &["execution::serve::metrics"]),
    ("rusqlite", &["recovery"]),
    ("signal_hook", &["execution"]),
    ("tracing_subscriber", &["execution"]),
    (
        "timely",
        &["kit::batch", "kit::edge", "kit::link", "worker"],
    ),
];

/// A file of a tree: its path below the root, and its text.
type File = (PathBuf, String);

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// What is wrong with the imports of a tree, each with file and line.
fn faults(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in files {
        let module = reader::module_of(path);
        let own = module.first().map(String::as_str);
        if let Some(own) = own
            && floor(own).is_none()
        {
            faults.push(format!("{}: `{own}` is on no floor", path.display()));
            continue;
        }
        for Named { line, path: names } in named(&module, text) {
            let fault = match &names {
                reader::Path::Crate(names) => upward(own, names),
                reader::Path::Foreign(name) => misplaced(&module, name),
            };
            if let Some(fault) = fault {
                faults.push(format!("{}:{line}: {fault}", path.display()));
            }
        }
    }
    faults
}

/// Why a module may not name another crate, if it may not.
fn misplaced(module: &[String], name: &str) -> Option<String> {
    let (_, places) = CRATES.iter().find(|(known, _)| *known == name)?;
    let is_in = |place: &&str| {
        let place: Vec<&str> = place.split("::").collect();
        module.len() >= place.len() && place.iter().zip(module).all(|(place, own)| place == own)
    };
    let is_fault = !module.is_empty() && !places.iter().any(is_in);
    is_fault.then(|| format!("`{name}` belongs to {}", places.join(", ")))
}

/// Why a module of this floor may not name this, if it may not. The root may name all.
fn upward(own: Option<&str>, names: &[String]) -> Option<String> {
    let (own, other) = (own?, names.first().map_or("the root", String::as_str));
    let path = names.join("::");
    match floor(other) {
        None => Some(format!(
            "`{own}` names `crate::{path}` of the root, which is above it"
        )),
        Some(_) if own == other => None,
        Some(at) if Some(at) < floor(own) => None,
        Some(at) if Some(at) == floor(own) => {
            Some(format!("`{own}` names `crate::{path}`, which is beside it"))
        }
        Some(_) => Some(format!("`{own}` names `crate::{path}`, which is above it")),
    }
}

/// The files below a directory that are no tests.
fn files(root: &Path) -> Vec<File> {
    let mut files = Vec::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).expect("the directory can be read") {
            let path = entry.expect("the directory can be read").path();
            let name = path.file_stem().unwrap_or_default();
            if name == "tests" {
                continue;
            }
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("the file can be read");
                let path = path.strip_prefix(root).expect("it is below the root");
                files.push((path.to_owned(), text));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn no_import_runs_up() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = files(&root);
    for module in FLOORS.iter().copied().flatten() {
        let is_there =
            |(path, _): &File| reader::module_of(path).first().is_some_and(|m| m == module);
        assert!(files.iter().any(is_there), "there is no module `{module}`");
    }
    let faults = faults(&files);
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn faults_of(files: &[(&str, &str)]) -> Vec<String> {
    let owned = |(path, text): &(&str, &str)| (PathBuf::from(path), (*text).to_owned());
    faults(&files.iter().map(owned).collect::<Vec<_>>())
}

#[test]
fn a_made_up_tree_has_its_faults_told() {
    let faults = faults_of(&[
        (
            "lib.rs",
            "mod flow;\npub use flow::Stream;\npub use execution::run;",
        ),
        (
            "flow/mod.rs",
            "mod graph;\nuse crate::kit::Plan;\nuse graph::Graph;",
        ),
        (
            "flow/graph.rs",
            "use super::Flow;\nuse super::super::worker::{run, self};",
        ),
        (
            "kit/mod.rs",
            "pub(crate) use crate::{\n    ids::Epoch,\n    flow::{Graph, Step},\n};",
        ),
        (
            "kit/head.rs",
            "fn f() {\n    let g = crate::flow::Graph::new();\n}",
        ),
        (
            "source/mod.rs",
            "use crate::sink::Sink;\nuse crate::RunError;",
        ),
        ("operators/map.rs", "use timely::Data;\nuse crate::kit::Cx;"),
        ("kit/push.rs", "use timely::Data;"),
        ("kit/edge.rs", "use timely::Data;"),
        ("attic.rs", ""),
    ]);
    let expected = [
        "flow/graph.rs:2: `flow` names `crate::worker::run`, which is above it",
        "flow/graph.rs:2: `flow` names `crate::worker`, which is above it",
        "kit/mod.rs:3: `kit` names `crate::flow::Graph`, which is above it",
        "kit/mod.rs:3: `kit` names `crate::flow::Step`, which is above it",
        "kit/head.rs:2: `kit` names `crate::flow::Graph::new`, which is above it",
        "source/mod.rs:1: `source` names `crate::sink::Sink`, which is beside it",
        "source/mod.rs:2: `source` names `crate::RunError` of the root, which is above it",
        "operators/map.rs:1: `timely` belongs to kit::batch, kit::edge, kit::link, worker",
        "kit/push.rs:1: `timely` belongs to kit::batch, kit::edge, kit::link, worker",
        "attic.rs: `attic` is on no floor",
    ];
    assert_eq!(faults, expected);
}

#[test]
fn tests_comments_and_texts_may_name_what_they_like() {
    let text = r##"
//! See [`run`](crate::execution::run).
/* crate::worker /* nested */ crate::worker */
use crate::ids::Epoch;
const A: &str = "crate::worker";
const B: &str = r#"a "crate::worker" b"#;
const C: char = '"';
fn f<'a>(text: &'a str) -> &'a str { text } // crate::worker
#[cfg(test)]
use crate::worker::run;
#[cfg(test)]
impl Epoch {
    fn here() { crate::worker::run(); }
}
#[cfg(test)]
mod tests {
    use crate::worker::run;
}
"##;
    assert_eq!(faults_of(&[("kit/head.rs", text)]), [""; 0]);
    let after = format!("{text}use crate::worker::run;");
    let line = after.lines().count();
    let expected =
        format!("kit/head.rs:{line}: `kit` names `crate::worker::run`, which is above it");
    assert_eq!(faults_of(&[("kit/head.rs", &after)]), [expected]);
}

#[test]
fn a_path_is_resolved_from_where_it_stands() {
    let inline = "mod inner {\n    use super::super::super::flow::Graph;\n    use super::Cx;\n}\nuse super::Cx;";
    assert_eq!(
        faults_of(&[("kit/head.rs", inline)]),
        ["kit/head.rs:2: `kit` names `crate::flow::Graph`, which is above it"],
    );
    let macros = "macro_rules! m { ($e:expr) => { $crate::worker::run($e) } }";
    assert_eq!(
        faults_of(&[("kit/mod.rs", macros)]),
        ["kit/mod.rs:1: `kit` names `crate::worker::run`, which is above it"],
    );
}
