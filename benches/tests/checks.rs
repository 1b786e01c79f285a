//! Every program computes the same, and the same as it always has: a change of the data or of the check
//! sums would make new numbers impossible to put beside old ones.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use bytewax_benches::case::{Case, Implementation, Workload};
use bytewax_benches::words;

/// Runs every program that there is with one worker and with two, in batches that do and do not divide
/// the input.
fn all_give(workload: Workload, n: Option<u64>, file: &Path, items: u64, check: &str) {
    let mut ran = 0;
    for implementation in Implementation::ALL {
        for workers in [1, 2] {
            for batch in [None, Some(1), Some(100)] {
                let case = Case {
                    workload,
                    implementation,
                    workers,
                    n,
                    file: file.to_path_buf(),
                    batch,
                };
                if case.possible().is_err() {
                    continue;
                }
                let report = bytewax_benches::run(&case).expect("the program runs to its end");
                assert_eq!(
                    (report.items, report.check.as_str()),
                    (items, check),
                    "{case:?}"
                );
                ran += 1;
            }
        }
    }
    assert!(ran >= 6, "only {ran} runs of {workload}");
}

#[test]
fn words_are_counted_alike() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("words.txt");
    let mut file = BufWriter::new(File::create(&path).expect("a file"));
    words::write_text(10_000, &mut file).expect("the text is written");
    assert_eq!(path.metadata().expect("the file is there").len(), 10_065);
    all_give(Workload::W1, None, &path, 1211, "753/1211/ea0f301c1b1a15ea");
}

#[test]
fn chains_give_the_same_sum() {
    let cases = [
        (0, "0/0000000000000000"),
        (1, "1/0000000000003038"),
        (1000, "1124/000002343e88d716"),
        (8192, "9212/000012013368c1f6"),
    ];
    for (n, check) in cases {
        all_give(Workload::W2, Some(n), Path::new(""), n, check);
    }
}

#[test]
fn running_state_gives_the_same_sum() {
    let cases = [
        (1, "1/000000000000a348"),
        (1000, "1000/0000000009b0e77b"),
        (8192, "8192/0000000050564ef7"),
    ];
    for (n, check) in cases {
        all_give(Workload::W3, Some(n), Path::new(""), n, check);
    }
}

#[test]
fn windows_give_the_same_sum() {
    let cases = [
        (Workload::W4, 1, "1/000000000006c581"),
        (Workload::W4, 1000, "955/0000000010c5a98e"),
        (Workload::W5, 1000, "5720/0000000064b519a8"),
    ];
    for (workload, n, check) in cases {
        all_give(workload, Some(n), Path::new(""), n, check);
    }
}

#[test]
fn windows_that_close_on_the_way_give_the_same_sum() {
    let cases = [
        (Workload::W4, "24244/000000080ce7b08c"),
        (Workload::W5, "124940/0000002fab5be43c"),
    ];
    let mut ran = 0;
    for (workload, check) in cases {
        for (implementation, workers) in Implementation::ALL
            .into_iter()
            .flat_map(|it| [(it, 1), (it, 2)])
        {
            let case = Case {
                workload,
                implementation,
                workers,
                n: Some(200_000),
                file: PathBuf::new(),
                batch: None,
            };
            if case.possible().is_ok() {
                let report = bytewax_benches::run(&case).expect("the program runs to its end");
                assert_eq!(report.check, check, "{case:?}");
                ran += 1;
            }
        }
    }
    assert_eq!(ran, 14);
}

#[test]
fn joins_give_the_same_sum() {
    // For half a round there are no pairs yet.
    all_give(
        Workload::W6,
        Some(1000),
        Path::new(""),
        2000,
        "0/0000000000000000",
    );
    for implementation in [
        Implementation::Bytewax,
        Implementation::Timely,
        Implementation::Loop,
    ] {
        let case = Case {
            workload: Workload::W6,
            implementation,
            workers: 1,
            n: Some(501_000),
            file: PathBuf::new(),
            batch: None,
        };
        let report = bytewax_benches::run(&case).expect("the program runs to its end");
        assert_eq!(report.check, "2000/000557ff5b919a00", "{case:?}");
    }
}

#[test]
fn what_cannot_run_says_so() {
    let case = |workload, implementation, workers| Case {
        workload,
        implementation,
        workers,
        n: Some(1),
        file: PathBuf::new(),
        batch: None,
    };
    for case in [
        case(Workload::W2, Implementation::TimelyCombiner, 1),
        case(Workload::W3, Implementation::Loop, 2),
        case(Workload::W3, Implementation::Timely, 3),
        case(Workload::W6, Implementation::Timely, 2),
    ] {
        assert!(bytewax_benches::run(&case).is_err(), "{case:?}");
    }
}
