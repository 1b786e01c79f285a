//! The terminal view of a running flow.

use std::process::Command;

use web_tests::Run;

const STAGED: &str = env!("CARGO_BIN_EXE_staged");

/// Runs the subcommand, and returns what it prints and whether it succeeds.
fn top(address: &str) -> (String, String, bool) {
    let mut command = Command::new(STAGED);
    let command = command.args(["counted", "top", address, "--once"]);
    let output = command.output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is text");
    (
        text(output.stdout),
        text(output.stderr),
        output.status.success(),
    )
}

#[test]
fn the_numbers_of_a_running_flow_are_printed_once() {
    let run = Run::start(STAGED, "counted --rate 2000 -w 2");
    let (printed, errors, succeeds) = top(&run.address);
    assert!(succeeds, "{errors}");
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].starts_with("counted: "), "{printed}");
    assert!(lines[0].ends_with(", process 0, 2 workers"), "{printed}");
    assert!(lines[1].contains(" items/s, "), "{printed}");
    let head = lines.iter().position(|line| line.starts_with("STEP "));
    let steps: Vec<_> = lines[head.expect("a table follows") + 1..]
        .iter()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let expected = [
        "numbers", "parsed", "skipped", "timed", "even", "by_rest", "sums", "shaped", "out",
    ];
    assert_eq!(steps, expected.map(|step| format!("counted.{step}")));
}

#[test]
fn an_address_without_a_run_is_an_error() {
    let run = Run::start(STAGED, "counted --rate 2000");
    let address = run.kill();
    let (printed, errors, succeeds) = top(&address);
    assert!(!succeeds && printed.is_empty(), "{printed}");
    let expected = format!("no run answers at `{address}`");
    assert!(errors.contains(&expected), "{errors}");
}
