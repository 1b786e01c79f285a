//! What many keys take, and what is left of them.
#![cfg(target_os = "linux")]

use std::process::Command;

/// The program takes a million by default; these are enough to tell.
const KEYS: u64 = 200_000;

/// Enough that the caches and buffers of a store, about 8 MB whatever the keys, are a small part of the states.
const STATES: u64 = 500_000;

/// What the program prints: numbers, and then JSON.
fn scale(what: &str, keys: u64) -> (Vec<u64>, serde_json::Value) {
    let program = Command::new(env!("CARGO_BIN_EXE_scale"))
        .args([what, &keys.to_string()])
        // The system's allocator keeps what is smaller for itself, and learns to keep more.
        .env("MALLOC_ARENA_MAX", "1")
        .env("MALLOC_MMAP_THRESHOLD_", "4096")
        .env("MALLOC_TRIM_THRESHOLD_", "4096")
        .output()
        .expect("the program runs");
    assert!(program.status.success(), "{program:?}");
    let text = String::from_utf8(program.stdout).expect("it prints text");
    let (numbers, json) = text.split_at(text.find('{').unwrap_or(text.len()));
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let numbers = numbers.lines().map(number).collect();
    let json = serde_json::from_str(json).unwrap_or_default();
    (numbers, json)
}

/// The keys and the rows of the step in the store.
fn saved(store: &serde_json::Value) -> (u64, u64) {
    let steps = store["steps"].as_array().expect("steps");
    let sums = steps.iter().find(|step| step["id"] == "scale.sums");
    let sums = sums.expect("the step is in the store");
    let number = |name: &str| sums[name].as_u64().expect("a number");
    (number("keys"), number("rows"))
}

#[test]
fn states_that_expire_leave_neither_memory_nor_rows_behind() {
    let (kept, store) = scale("kept", STATES);
    let (keys, rows_of_all) = saved(&store);
    assert_eq!(keys, STATES);
    assert!(
        kept[2] > kept[0] + 40 * STATES,
        "it is worth a look: {kept:?}"
    );

    let (bytes, store) = scale("expiry", STATES);
    let (keys, rows) = saved(&store);
    assert_eq!(keys, 0);
    assert!(
        rows < rows_of_all / 10,
        "{rows} of {rows_of_all} rows are left"
    );
    let (all, left) = (bytes[1] - bytes[0], bytes[2].saturating_sub(bytes[0]));
    assert!(all > 40 * STATES, "it is worth a look: {bytes:?}");
    assert!(left < all / 5, "{left} of {all} bytes are left");
}

/// A row is a value of 32 bytes, its time, and whether it has matched.
#[test]
fn rows_of_joins_take_little_more_than_themselves() {
    for what in ["interval", "as_of"] {
        let (bytes, _) = scale(what, KEYS);
        let (taken, rows) = (bytes[1] - bytes[0], 10 * KEYS * 48);
        assert!(taken > rows, "all are kept: {taken} of {rows} bytes");
        assert!(
            taken < rows * 3 / 2,
            "{what}: {taken} bytes for {rows} of rows"
        );
    }
}
