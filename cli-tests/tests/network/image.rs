//! The image of `examples/template/deploy` without a tool for images: its root file system is read-only, its user has no
//! rights, and it has one folder to write to.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use cli_tests::{END, PATIENCE, Programs, command, run, signal, with_ports};

use super::output::Output;
use super::program::prepare;

/// The user of the image, who also owns `/state`.
const USER: u32 = 65532;

/// Makes the mounts of a container, and becomes its program.
const CONTAIN: &str = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && mount --bind \"$2\" \"$1/state\" && \
                       root=$1 && shift 2 && exec chroot --userspec=65532:65532 --groups= \"$root\" \"$@\"";

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/template/deploy")
}

/// Makes the image, in the same way as its Dockerfile does.
fn image(folder: &Path) {
    let mut rootfs = Command::new(deploy().join("rootfs"));
    rootfs.arg(env!("CARGO_BIN_EXE_kill")).arg(folder);
    assert!(rootfs.status().unwrap().success(), "the image is made");
    fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
}

fn own(path: &Path) {
    chown(path, Some(USER), Some(USER)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            own(&entry.unwrap().path());
        }
    }
}

/// The status of a response.
fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.split(' ').nth(1).map(str::to_owned)
}

#[test]
#[ignore = "needs mounts; see .ci/network"]
fn the_program_of_an_image_writes_only_its_state_and_stops_at_sigterm() {
    with_ports(1, |addresses| {
        let [image_folder, state] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        image(image_folder.path());
        prepare(state.path());
        own(state.path());
        let metrics = addresses[0];
        let start = |args: &str| {
            let mut command = command("unshare", "--mount sh -c");
            command.args([CONTAIN, "contain"]);
            command.args([image_folder.path(), state.path()]);
            command.args("/kill --numbers 4000 --batch 20 --epoch-millis 50 --out /state/out --lines /state/lines".split(' '));
            command.args(args.split_whitespace());
            command.env("BYTEWAX_LOCAL_STATE", "/state/local");
            command.env("BYTEWAX_BACKUP", "/state/backup");
            command.env("BYTEWAX_METRICS", metrics.to_string());
            command.env("BYTEWAX_LOG", "error");
            command
        };
        let mut programs = Programs::new();
        programs.start(start("--pace-millis 15"));
        let until = Instant::now() + PATIENCE;
        while super::written(state.path()) == 0 || get(metrics, "/readyz").as_deref() != Some("200")
        {
            if !programs.run_for(Duration::from_millis(10)) {
                break;
            }
            assert!(Instant::now() < until, "it is not ready");
        }
        assert_eq!(get(metrics, "/healthz").as_deref(), Some("200"));
        let proc = PathBuf::from(format!("/proc/{}", programs.id(0)));
        let status = fs::read_to_string(proc.join("status")).unwrap();
        for line in [
            "Uid:\t65532\t65532\t65532\t65532",
            "Gid:\t65532\t65532\t65532\t65532",
            "Groups:\t ",
            "CapEff:\t0000000000000000",
        ] {
            assert!(status.lines().any(|found| found == line), "{status}");
        }
        let mounts = fs::read_to_string(proc.join("mountinfo")).unwrap();
        let options = |place: &str| {
            let mount = mounts
                .lines()
                .rev()
                .map(|line| line.split(' ').collect::<Vec<_>>());
            let mount = mount.into_iter().find(|mount| mount[4] == place);
            mount.map(|mount| mount[5].split(',').next().unwrap().to_owned())
        };
        assert_eq!(options("/").as_deref(), Some("ro"), "{mounts}");
        assert_eq!(options("/state").as_deref(), Some("rw"), "{mounts}");
        signal("-TERM", programs.id(0));
        programs.ended(0, END)?.code(143);
        let output = || Output::of(&state.path().join("out"));
        assert!(output().lines("mixed") < Output::unbroken().lines("mixed"));

        let mut programs = Programs::new();
        programs.start(start(""));
        let ended = programs.ended(0, PATIENCE)?.code(0).says("");
        let resumed = ended.out.iter().filter(|line| line.contains(" begins at "));
        assert!(
            resumed.clone().count() == 3 && !resumed.clone().any(|line| line.ends_with(" at 0"))
        );
        output().check(Output::unbroken());
        Ok(())
    });
}

#[test]
fn the_manifest_names_only_variables_that_there_are() {
    let manifest = fs::read_to_string(deploy().join("kubernetes.yaml")).unwrap();
    let help = run(command(env!("CARGO_BIN_EXE_kill"), "--help"))
        .code(0)
        .out
        .join("\n");
    let entry = |line: &str| {
        let (_, name) = line.split_once("name: ")?;
        Some(name.split([',', '}']).next()?.to_owned())
    };
    let names: Vec<String> = manifest.lines().filter_map(entry).collect();
    let variables: Vec<_> = names
        .iter()
        .filter(|name| name.starts_with("BYTEWAX_"))
        .collect();
    assert!(variables.len() > 8, "{names:?}");
    for variable in variables {
        // These two are not the variables of options.
        let of_pod = ["BYTEWAX_POD_NAME", "BYTEWAX_STATEFULSET_NAME"].contains(&variable.as_str());
        assert!(
            of_pod || help.contains(&format!("[env: {variable}=")),
            "{variable}"
        );
    }
}
