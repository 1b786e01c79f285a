//! Both programs of each query of Nexmark compute the same, and the same as they always have.

use bytewax_benches::check::StreamCheck;
use bytewax_benches::mix::fnv1a;
use bytewax_benches::nexmark::{Case, Implementation, Query, run};
use bytewax_nexmark::models::{self, Model};

/// Runs both programs with one worker and with two.
fn both_give(query: Query, events: u64, rate: u32, check: &str) {
    for implementation in [Implementation::Bytewax, Implementation::Timely] {
        for workers in [1, 2] {
            let case = Case {
                query,
                implementation,
                workers,
                events,
                rate,
            };
            let report = run(&case).expect("the program runs to its end");
            assert_eq!(
                (report.items, report.check.as_str()),
                (events, check),
                "{case:?}"
            );
        }
    }
}

/// Events of half a minute.
#[test]
fn queries_give_the_same_sum() {
    let cases = [
        (Query::Q1, "27600/ef4a372ec1057f83"),
        (Query::Q2, "115/64c7a11fdfac694d"),
        (Query::Q3, "232/6c3407f9eb90f07e"),
        (Query::Q4, "5/8862785b33cee0b3"),
        (Query::Q5, "19/d1a4a4fc36dde7f7"),
        (Query::Q7, "3/7b6b12df276d752a"),
        (Query::Q8, "168/b3c747cc8bd6ff2e"),
    ];
    for (query, check) in cases {
        both_give(query, 30_001, 1000, check);
    }
}

/// A hundred events have the same time, and so many of them are one batch.
#[test]
fn crowded_events_give_the_same_sum() {
    let cases = [
        (Query::Q4, "5/9e37c8f605815b32"),
        (Query::Q5, "5/a5ab8fa86c20c137"),
        (Query::Q7, "1/ef0f9a538df22505"),
        (Query::Q8, "264/ac28d7954a4455c1"),
    ];
    for (query, check) in cases {
        both_give(query, 30_000, 100_000, check);
    }
}

/// The sums are those of loops over the events.
#[test]
fn lines_are_those_of_the_models() {
    let cases: [(Query, Model); 8] = [
        (Query::Q1, models::q1),
        (Query::Q2, models::q2),
        (Query::Q3, models::q3),
        (Query::Q4, models::q4),
        (Query::Q5, models::q5),
        (Query::Q7, models::q7),
        (Query::Q8, models::q8),
        (Query::Q22, models::q22),
    ];
    for (query, model) in cases {
        let case = Case {
            query,
            implementation: Implementation::Lines,
            workers: 2,
            events: 6000,
            rate: 500,
        };
        let mut check = StreamCheck::default();
        for line in model(case.events()) {
            check.add(fnv1a(line.as_bytes()));
        }
        let report = run(&case).expect("the program runs to its end");
        assert_eq!(report.check, check.to_string(), "{query}");
    }
}

#[test]
fn a_program_that_there_is_not_says_so() {
    let case = Case {
        query: Query::Q6,
        implementation: Implementation::Timely,
        workers: 1,
        events: 1,
        rate: 1,
    };
    assert!(run(&case).is_err());
}
