//! Files of which a bit has flipped.

use std::fs;
use std::path::Path;

use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::{TestingItem, TestingSink, TestingSource, cluster_main};

use super::{LONG, config_at, init};

/// The size of a page of the database, and of what it says of itself at its beginning.
const PAGE: usize = 8192;
const HEADER: usize = 12;

/// Sums and lists by key, of three runs.
fn flow(out: &TestingSink<String>) -> Dataflow {
    let items = |first: u32| (first..first + 60).map(|n| TestingItem::Item((n % 23, n)));
    let end = || [TestingItem::Eof].into_iter();
    let marks: Vec<_> = items(0)
        .chain(end())
        .chain(items(60))
        .chain(end())
        .chain(items(120))
        .collect();
    Dataflow::build("f", |flow| {
        let items = flow.input(TestingSource::with_marks(marks)).named("items");
        let sums = items.clone().stateful_map(|sum: &mut u32, n| {
            *sum += n;
            *sum
        });
        let sums = sums
            .named("sums")
            .map(|(key, sum)| format!("sum {key} {sum}"));
        sums.output(out.clone()).named("sums_out");
        let lists = items.collect(3, LONG).named("lists");
        let lists = lists.map(|(key, list)| format!("list {key} {list:?}"));
        lists.output(out.clone()).named("lists_out");
    })
}

/// What a run gives on the store in a directory, or its error.
fn run(flow: &Dataflow, out: &TestingSink<String>, dir: &Path) -> Result<Vec<String>, String> {
    let ended = cluster_main(flow.clone(), config_at(dir, LONG));
    let mut given = out.take();
    given.sort();
    ended.map(|()| given).map_err(|error| error.report())
}

/// Whatever bit flips: the next run gives what it should, or says that the store is damaged, and so
/// does the run after it.
#[test]
fn a_flipped_bit_never_gives_a_wrong_result() {
    let out = TestingSink::new();
    let flow = flow(&out);
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), 1);
    run(&flow, &out, dir.path()).unwrap();
    let file = "part-0.sqlite3";
    let sound = fs::read(dir.path().join(file)).unwrap();
    let expected = [(); 2].map(|()| run(&flow, &out, dir.path()).unwrap());
    assert!(expected.iter().all(|given| given.len() > 60));

    // Some bits of all of the file, and more where a page says what is in it.
    let pages = (0..sound.len()).step_by(PAGE);
    let headers = pages.flat_map(|page| (page * 8..(page + HEADER) * 8).step_by(7));
    let bits: Vec<usize> = (5..sound.len() * 8).step_by(3001).chain(headers).collect();
    assert!(bits.len() > 200, "{}", bits.len());
    let mut told = 0;
    for bit in bits {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = sound.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(dir.path().join(file), bytes).unwrap();
        for expected in &expected {
            match run(&flow, &out, dir.path()) {
                Ok(given) => assert_eq!(given, *expected, "bit {bit}"),
                Err(_) => {
                    told += 1;
                    break;
                }
            }
        }
    }
    assert!(told > 40, "{told}");
}
