//! Memory that keys take is given back when they are forgotten.
#![cfg(target_os = "linux")]

use std::process::Command;

#[test]
fn a_million_keys_with_a_session_each_leave_nothing_behind() {
    let program = Command::new(env!("CARGO_BIN_EXE_memory"))
        // The system's allocator keeps what is smaller for itself, and learns to keep more.
        .env("MALLOC_MMAP_THRESHOLD_", "65536")
        .env("MALLOC_TRIM_THRESHOLD_", "65536")
        .output()
        .expect("the program runs");
    assert!(program.status.success(), "{program:?}");
    let text = String::from_utf8(program.stdout).expect("it prints text");
    let number = |text: &str| text.parse::<usize>().expect("a number");
    let lines: Vec<Vec<_>> = text
        .lines()
        .map(|line| line.split(' ').map(number).collect())
        .collect();
    let [start, open, closed, forgotten] = lines.as_slice() else {
        panic!("four lines: {text}");
    };
    let all = 1_000_000;
    assert_eq!(open[..2], [all, all]);
    assert_eq!(closed[..2], [all, 0]);
    assert_eq!(forgotten[..2], [0, 0]);
    assert!(open[2] > start[2] + 50, "it is worth a look: {text}");
    // Within a fifth, and what the program's threads and buffers take.
    assert!(
        forgotten[2] <= start[2] * 12 / 10 + 4,
        "memory is back: {text}"
    );
}
