//! The program that is killed, and what it reads.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use cli_tests::command;

/// The text that is read.
static LINES: LazyLock<String> = LazyLock::new(|| {
    let line = |n: usize| format!("{} {n}\n", ["ash", "birch", "cedar", "elm"][n * n % 7 % 4]);
    (0..600).map(line).collect()
});

/// Makes what a flow reads, and the directory that it writes to.
pub(crate) fn prepare(life: &Path) {
    fs::write(life.join("lines"), LINES.as_str()).unwrap();
    fs::create_dir(life.join("out")).unwrap();
}

/// The program with its files, and more arguments.
pub(crate) fn kill(life: &Path, args: &str) -> Command {
    let mut command = command(env!("CARGO_BIN_EXE_kill"), "--numbers 4000");
    command.arg("--out").arg(life.join("out"));
    command.arg("--lines").arg(life.join("lines"));
    command.args(args.split_whitespace());
    command
}
