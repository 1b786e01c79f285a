//! The program `bytewax`: packages from its templates, and the check of an environment.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use cli_tests::{Ended, command, listen, run};

/// The templates, each with its program, which this package compiles from the same file.
const TEMPLATES: [(&str, Option<&str>); 4] = [
    ("minimal", Some(env!("CARGO_BIN_EXE_minimal"))),
    ("csv", Some(env!("CARGO_BIN_EXE_revenue"))),
    ("windows", Some(env!("CARGO_BIN_EXE_clicks"))),
    // The tests of the connector to Kafka compile it.
    ("kafka", None),
];

fn bytewax(args: &str) -> Command {
    command(env!("CARGO_BIN_EXE_bytewax-program"), args)
}

/// The repository.
fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().expect("the repository")
}

/// Creates the package `my-flow` in a directory, built with this checkout.
fn new(directory: &Path, template: &str) -> PathBuf {
    let package = directory.join("my-flow");
    let mut command = bytewax(&format!("new --template {template} --path"));
    command.arg(root()).arg(&package);
    run(command).code(0).says("");
    package
}

#[test]
fn a_package_has_the_files_of_its_template() {
    for (template, _) in TEMPLATES {
        let directory = tempfile::tempdir().unwrap();
        let package = new(directory.path(), template);
        let source = root().join("examples/template");
        let same = |written: &str, file: &str| {
            let written = fs::read_to_string(package.join(written)).unwrap();
            let file = fs::read_to_string(source.join(file)).unwrap();
            assert_eq!(written, file, "{template}");
        };
        same("src/main.rs", &format!("{template}/main.rs"));
        same("dataflow.lock", &format!("{template}/dataflow.lock"));
        same(".gitignore", "gitignore");
        for file in [
            ".dockerignore",
            "deploy/Dockerfile",
            "deploy/kubernetes.yaml",
            "deploy/rootfs",
        ] {
            same(file, file);
        }
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o111;
        assert_eq!(mode(package.join("deploy/rootfs")), 0o111);
        let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
        let path = format!("bytewax = {{ path = \"{}\"", root().display());
        assert!(manifest.contains(&path), "{manifest}");
    }
}

#[test]
fn the_crates_and_features_of_a_package_exist() {
    for (template, _) in TEMPLATES {
        let directory = tempfile::tempdir().unwrap();
        let package = new(directory.path(), template);
        // The versions that the tests were built with, so that nothing is downloaded.
        fs::copy(root().join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["tree", "--offline", "--prefix", "none", "--manifest-path"]);
        cargo.arg(package.join("Cargo.toml"));
        let tree = run(cargo).code(0).out;
        assert!(tree[0].starts_with("my-flow v0.1.0"), "{tree:?}");
        assert!(
            tree.iter().any(|line| line.starts_with("bytewax v")),
            "{tree:?}"
        );
    }
}

#[test]
fn the_lock_file_of_a_template_is_that_of_its_program() {
    for (template, program) in TEMPLATES {
        let Some(program) = program else { continue };
        let directory = tempfile::tempdir().unwrap();
        let package = new(directory.path(), template);
        let text = fs::read_to_string(package.join("dataflow.lock")).unwrap();
        let name = Path::new(program).file_name().unwrap().to_str().unwrap();
        let path = directory.path().join("dataflow.lock");
        let section = format!("[my_flow.{}]", name.replace('-', "_"));
        fs::write(&path, text.replace("[my_flow.my_flow]", &section)).unwrap();
        let mut check = command(program, "lock --check --file");
        check.arg(&path);
        let ended = run(check).code(0).says("");
        assert_eq!(
            ended.out,
            [format!("`{}` is up to date", path.display())],
            "{template}"
        );
    }
}

#[test]
fn templates_print_results_of_the_data_beside_them() {
    let in_package = |template: &str, program: Option<&str>| {
        let directory = tempfile::tempdir().unwrap();
        let mut program = command(program.unwrap(), "-w 2");
        program.current_dir(new(directory.path(), template));
        run(program).code(0).sorted()
    };
    let [minimal, csv, windows, _] =
        TEMPLATES.map(|(name, program)| move || in_package(name, program));
    assert_eq!(
        minimal(),
        ["(0, 0)", "(0, 2)", "(0, 6)", "(1, 1)", "(1, 4)"]
    );
    assert_eq!(csv(), ["ink 900", "pad 350", "pen 150", "pen 200"]);
    assert_eq!(
        windows(),
        [
            "2026-11-01 00:00:00 UTC ada: 2",
            "2026-11-01 00:00:00 UTC bob: 1",
            "2026-11-01 00:00:09 UTC ada: late",
            "2026-11-01 00:01:00 UTC ada: 1",
            "2026-11-01 00:03:00 UTC bob: 1",
        ]
    );
}

#[test]
fn what_cannot_be_created_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let package = new(directory.path(), "minimal");
    let again = |args: &str, package: &Path| {
        let mut command = bytewax(args);
        command.arg(package);
        run(command).code(1)
    };
    again("new", &package).says_once("exists; name a new directory");
    again("new", &package.with_file_name("My_Flow"))
        .says_once("cannot name a package and its container");
    let other = package.with_file_name("other");
    again("new --template flink", &other).says_once(
        "`flink` is not a template; the templates are `minimal`, `csv`, `kafka`, `windows`",
    );
    assert!(!other.exists());
}

#[test]
fn files_of_the_deployment_carry_the_name() {
    let directory = tempfile::tempdir().unwrap();
    let package = directory.path().join("top-ten");
    let mut command = bytewax("new");
    command.arg(&package);
    run(command).code(0);
    let read = |file: &str| fs::read_to_string(package.join(file)).unwrap();
    assert!(read("deploy/Dockerfile").contains("ENTRYPOINT [\"/top-ten\"]"));
    assert!(read("deploy/kubernetes.yaml").contains("image: top-ten:0.1.0"));
    assert!(read("dataflow.lock").contains("[top_ten.top_ten]"));
    for file in [
        "Cargo.toml",
        "dataflow.lock",
        "src/main.rs",
        "deploy/Dockerfile",
        "deploy/kubernetes.yaml",
    ] {
        let text = read(file);
        assert!(
            !text.contains("my-flow") && !text.contains("my_flow"),
            "{file}: {text}"
        );
    }
}

fn check(args: &str, variables: &[(&str, &str)]) -> Ended {
    let mut command = bytewax(&format!("check {args}"));
    // A directory without lock files.
    let directory = tempfile::tempdir().expect("there is room");
    command.current_dir(directory.path());
    command.envs(variables.iter().copied());
    run(command)
}

#[test]
fn check_reports_all_faults_of_an_environment() {
    let ended = check("", &[]).code(0).says("");
    assert_eq!(ended.out.len(), 3, "{ended}");
    let (_taken, address) = listen();
    let address = address.to_string();
    let variables = [
        ("BYTEWAX_METRICS", address.as_str()),
        ("BYTEWAX_WORKERS", "2"),
        ("BYTEWAX_RECOVERY_DIRECTORY", "/no/such/place"),
    ];
    let ended = check("", &variables).code(1);
    let ended = ended.says_once("error: 3 faults found in the environment");
    let faults: Vec<_> = ended
        .out
        .iter()
        .filter(|line| line.starts_with("FAULT"))
        .collect();
    assert_eq!(faults.len(), 3, "{ended}");
    assert!(
        faults[0].contains("nothing reads BYTEWAX_WORKERS"),
        "{ended}"
    );
    assert!(faults[1].contains("cannot listen at"), "{ended}");
    assert!(
        faults[2].contains("`/no/such/place` is not a directory"),
        "{ended}"
    );
    // Options that the parser refuses are refused as in a run.
    check("-w 0", &[]).code(2).says_once("invalid value '0'");
}
