//! The examples print what they say they print.

use cli_tests::{command, run};

#[test]
fn checkout() {
    for way in ["-w 1", "-w 3"] {
        let ended = run(command(env!("CARGO_BIN_EXE_checkout"), way));
        let ended = ended.code(0).says("");
        assert_eq!(ended.out, ["1 ada: checked out 500 cents"], "{way}");
    }
}

#[test]
fn sensors() {
    // The first reading of each is 21 degrees, and the mean grows by a half each time, but for the last.
    let means = ["21.0", "21.5", "22.0", "22.5", "23.0", "23.5", "23.0"];
    for way in ["-w 1", "-w 3"] {
        let ended = run(command(env!("CARGO_BIN_EXE_sensors"), way));
        let ended = ended.code(0).says("");
        let of = |start: &str| {
            let lines = ended.out.iter().filter(|line| line.starts_with(start));
            lines.cloned().collect::<Vec<_>>()
        };
        for sensor in 0..3 {
            let expected = means.map(|mean| format!("sensor {sensor}: {mean}"));
            assert_eq!(of(&format!("sensor {sensor}")), expected, "{way}");
        }
        assert_eq!(of("tick"), ["tick 0", "tick 1", "tick 2"], "{way}");
        assert_eq!(ended.out.len(), 24, "{way}");
    }
}

#[test]
fn the_lock_of_an_example_is_written_and_checked() {
    let directory = tempfile::tempdir().expect("there is room");
    let path = directory.path().join("dataflow.lock");
    let lock = |args: &str| {
        let mut command = command(env!("CARGO_BIN_EXE_checkout"), args);
        command.arg("--file").arg(&path);
        run(command)
    };
    let error = lock("lock --check").code(1).err;
    assert!(error.contains("is not up to date"), "{error}");
    let told = lock("lock").code(0).says("").out;
    let carts = "+ \"carts.stateful\" = { kind = \"stateful\", operator = \"stateful\", \
                 state = \"Cart\", version = 1, fingerprint = \"";
    assert!(told.iter().any(|line| line.starts_with(carts)), "{told:?}");
    let told = lock("lock --check").code(0).says("").out;
    assert_eq!(told, [format!("`{}` is up to date", path.display())]);
}
