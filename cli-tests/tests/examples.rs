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
