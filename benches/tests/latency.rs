//! Delays begin when items are due, and each item counts once.

use bytewax_benches::latency::{Case, Implementation, Measured, now, run};

/// What the program measures of items that were due over a tenth of a second, from ten seconds ago.
fn measured(implementation: Implementation, workers: usize, has_store: bool) -> Measured {
    let store = tempfile::tempdir().expect("a folder");
    let case = Case {
        implementation,
        workers,
        rate: Some(50_000),
        items: 5000,
        keys: 100,
        warm_up: 1000,
        process: Vec::new(),
        store: has_store.then(|| store.path().to_path_buf()),
        begin: Some(now() - 10_000_000_000),
    };
    run(&case).expect("the program runs to its end")
}

#[test]
fn an_item_that_is_read_late_was_due_long_ago() {
    for (implementation, workers, has_store) in [
        (Implementation::Bytewax, 1, false),
        (Implementation::Bytewax, 2, true),
        (Implementation::Timely, 1, false),
        (Implementation::Timely, 2, false),
    ] {
        let measured = measured(implementation, workers, has_store);
        let delays = Measured::all(std::slice::from_ref(&measured));
        let name = format!("{implementation} with {workers} workers");
        assert_eq!((measured.items, delays.len()), (5000, 4000), "{name}");
        assert!(delays.min() >= 9_890_000_000, "{name}: {}", delays.min());
    }
}

#[test]
fn timely_has_no_store() {
    let case = Case {
        implementation: Implementation::Timely,
        workers: 1,
        rate: None,
        items: 1,
        keys: 1,
        warm_up: 0,
        process: Vec::new(),
        store: Some("store".into()),
        begin: None,
    };
    assert!(run(&case).is_err());
}
