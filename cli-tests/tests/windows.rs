//! The example of windows prints what its last comment says.

use cli_tests::{command, run};

#[test]
fn windows_by_minute_and_user() {
    for args in ["-w 1", "-w 3", "-p 2"] {
        let mut printed = run(command(env!("CARGO_BIN_EXE_windows"), args))
            .code(0)
            .says("")
            .out;
        printed.sort_unstable();
        let expect = [
            "a window 0: 2",
            "a window 0: late",
            "a window 1: 1",
            "a window 3: 1",
            "b window 0: 1",
        ];
        assert_eq!(printed, expect, "{args}");
    }
}
