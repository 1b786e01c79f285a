use super::*;

fn log(names: &[&str]) -> Result<Log, String> {
    let names = names.iter().map(|name| format!("p/{name}")).collect();
    let log = Objects::read("p/", names).and_then(|objects| Log::of("p/", &objects));
    log.map_err(|error| error.to_string())
}

/// What counts, how much of it is a base, term and number of the last, and what is replaced.
#[track_caller]
fn check(names: &[&str], live: &[&str], pieces: usize, last: (u64, u64), replaced: &[&str]) {
    let own = |names: &[&str]| names.iter().map(|name| format!("p/{name}")).collect();
    let (term, sequence) = last;
    let expected = Log {
        live: own(live),
        pieces,
        last: (sequence > 0).then_some(Place { term, sequence }),
        replaced: own(replaced),
    };
    assert_eq!(log(names), Ok(expected));
}

#[test]
fn segments_follow_each_other_from_the_first() {
    check(&[], &[], 0, (0, 0), &[]);
    let two = ["2.segment", "1.segment"];
    check(&two, &["1.segment", "2.segment"], 0, (0, 2), &[]);
    let two = ["2.segment-3-3", "1.segment-3-0"];
    check(&two, &["1.segment-3-0", "2.segment-3-3"], 0, (3, 2), &[]);
}

#[test]
fn the_newest_whole_base_replaces_what_is_older() {
    let names = [
        "1.segment",
        "2.segment",
        "3.segment",
        "4.segment",
        "1.base-00000-last",
        "2.base-00000",
        "3.base-00000",
        "3.base-00001-last",
        "4.base-00000",
    ];
    let live = ["3.base-00000", "3.base-00001-last", "4.segment"];
    let replaced = [
        "1.segment",
        "2.segment",
        "3.segment",
        "1.base-00000-last",
        "2.base-00000",
    ];
    check(&names, &live, 2, (0, 4), &replaced);
}

#[test]
fn a_base_that_was_never_finished_counts_for_nothing() {
    check(&["1.base-00000"], &[], 0, (0, 0), &[]);
    let names = ["1.segment", "1.base-00000"];
    check(&names, &["1.segment"], 0, (0, 1), &[]);
    // A run that was taken over from removed a piece, or wrote the last one too late.
    let names = ["1.segment-1-0", "1.base-1-00001-last", "2.segment-2-1"];
    let live = ["1.segment-1-0", "2.segment-2-1"];
    check(&names, &live, 0, (2, 2), &[]);
}

#[test]
fn a_run_goes_on_from_objects_of_format_1() {
    let names = [
        "3.base-00000-last",
        "4.segment",
        "5.segment-1-0",
        "6.segment-1-1",
    ];
    check(&names, &names, 1, (1, 6), &[]);
}

#[test]
fn what_a_run_writes_that_another_took_over_from_does_not_count() {
    // Term 2 has read the log up to object 2; after that, term 1 went on with 3 to 5.
    let names = [
        "1.segment-1-0",
        "2.segment-1-1",
        "3.segment-1-1",
        "4.segment-1-1",
        "5.segment-1-1",
        "5.base-1-00000-last",
        "3.segment-2-1",
        "4.segment-2-2",
    ];
    let live = [
        "1.segment-1-0",
        "2.segment-1-1",
        "3.segment-2-1",
        "4.segment-2-2",
    ];
    let late = [
        "3.segment-1-1",
        "4.segment-1-1",
        "5.segment-1-1",
        "5.base-1-00000-last",
    ];
    check(&names, &live, 0, (2, 4), &late);
    // Term 3 had read what term 1 had written when term 2 wrote at last.
    let names = [
        "1.segment-1-0",
        "2.segment-2-1",
        "2.segment-1-1",
        "3.segment-3-1",
    ];
    let live = ["1.segment-1-0", "2.segment-1-1", "3.segment-3-1"];
    check(&names, &live, 0, (3, 3), &["2.segment-2-1"]);
    // The base of a later term replaces it, whatever its number.
    let names = [
        "9.segment-1-1",
        "9.base-1-00000-last",
        "8.base-2-00000-last",
    ];
    let late = ["9.segment-1-1", "9.base-1-00000-last"];
    check(&names, &["8.base-2-00000-last"], 1, (2, 8), &late);
}

#[test]
fn a_run_replaces_what_earlier_ones_have_written() {
    let names = [
        "1.segment-1-0",
        "2.segment-1-1",
        "3.segment-1-1",
        "4.segment-2-1",
        "2.base-2-00000-last",
    ];
    let live = ["2.base-2-00000-last", "3.segment-1-1", "4.segment-2-1"];
    let replaced = ["1.segment-1-0", "2.segment-1-1"];
    check(&names, &live, 1, (2, 4), &replaced);
    // Not by an unfinished base, which goes on.
    let names = ["1.segment-1-0", "2.segment-2-1", "1.base-2-00000"];
    check(&names, &names[..2], 0, (2, 2), &[]);
    // Of format 1, too.
    let names = [
        "1.segment",
        "2.segment",
        "3.segment-1-0",
        "1.base-1-00000-last",
    ];
    let live = ["1.base-1-00000-last", "2.segment", "3.segment-1-0"];
    check(&names, &live, 1, (1, 3), &["1.segment"]);
    // Two runs have done so, one after the other.
    let names = [
        "1.segment-1-0",
        "2.segment-2-1",
        "3.segment-3-2",
        "1.base-2-00000-last",
        "1.base-3-00000-last",
    ];
    let live = ["1.base-3-00000-last", "2.segment-2-1", "3.segment-3-2"];
    let replaced = ["1.segment-1-0", "1.base-2-00000-last"];
    check(&names, &live, 1, (3, 3), &replaced);
    // But not a run that has written nothing that counts.
    let names = [
        "1.segment-1-0",
        "2.segment-1-1",
        "3.segment-3-1",
        "3.segment-2-1",
        "1.base-2-00000-last",
    ];
    let replaced = ["3.segment-2-1", "1.base-2-00000-last"];
    check(&names, &names[..3], 0, (3, 3), &replaced);
}

#[test]
fn a_gap_is_told() {
    let missing = |name: &str| {
        Err(format!(
            "`p/{name}` is missing in the backup; bring it back from a copy of the backup, or, \
             when another run of the flow is using the backup, stop that run first"
        ))
    };
    assert_eq!(log(&["2.segment"]), missing("000000000001.segment"));
    let names = ["3.base-00000-last", "5.segment"];
    assert_eq!(log(&names), missing("000000000004.segment"));
    let names = ["3.base-00001-last", "4.segment"];
    assert_eq!(log(&names), missing("000000000003.base-00000"));
    let names = ["3.segment-4-4", "1.segment-4-0"];
    assert_eq!(log(&names), missing("000000000002.segment-4"));
    let names = ["3.base-2-00001-last", "4.segment-4-2"];
    assert_eq!(log(&names), missing("000000000003.base-2-00000"));
}

#[test]
fn foreign_names_are_told() {
    for name in [
        "x",
        "1.segments",
        "a.segment",
        "1.base-",
        "1.base-1-first",
        "1.segment-1",
        "1.segment-1-x",
    ] {
        let expected = format!(
            "`p/{name}` is not an object of a backup: nothing of a log has such a name; move it \
             away, or name the right backup"
        );
        assert_eq!(log(&[name]), Err(expected));
    }
}

#[test]
fn names_are_what_the_format_says() {
    let names = Names::new("orders");
    let index = PartitionIndex(3);
    let place = Place {
        term: 7,
        sequence: 41,
    };
    assert_eq!(names.term(7), "orders/terms/000000000007");
    let segment = names.segment(index, place, 5);
    assert_eq!(segment, "orders/part-0003/000000000041.segment-7-5");
    let last = names.base(index, place, 1, true);
    assert_eq!(last, "orders/part-0003/000000000041.base-7-00001-last");
    for name in [segment, names.base(index, place, 0, false), last] {
        assert!(Names::is_at(&name, place), "{name}");
    }
}
