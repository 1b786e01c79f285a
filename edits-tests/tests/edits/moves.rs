//! Steps that are moved into or out of scopes, functions and operators: what is refused goes on when the mend that is
//! printed is written as it is printed.

use super::*;

fn add(sum: &mut u64, n: u64) -> u64 {
    *sum += n;
    *sum
}

type Numbers = KeyedStream<u64, u64>;

/// The name that a mend gives to the step, if it gives one.
type Given<'a> = Option<&'a str>;

fn given(sums: Numbers, name: Given<'_>) -> Numbers {
    match name {
        Some(name) => sums.named(name),
        None => sums,
    }
}

#[operator]
fn summed(up: KeyedStream<u64, u64>, name: Given<'_>) -> KeyedStream<u64, u64> {
    let sums = up.stateful_map(add);
    given(sums, name)
}

/// The same operator under another name.
#[operator]
fn totalled(up: KeyedStream<u64, u64>, name: Given<'_>) -> KeyedStream<u64, u64> {
    let sums = up.stateful_map(add);
    given(sums, name)
}

/// One that has another inside.
#[operator]
fn outer(up: KeyedStream<u64, u64>, name: Given<'_>) -> KeyedStream<u64, u64> {
    let inner = summed(up, name);
    inner
}

fn function(up: Numbers, name: Given<'_>) -> Numbers {
    given(up.stateful_map(add).named("sums"), name)
}

/// A mend as it is printed.
#[derive(Debug, Default)]
struct Mend {
    named: Option<String>,
    moved: Vec<(String, String)>,
}

impl Mend {
    /// Reads what is printed behind `help`.
    fn of(text: &str) -> Self {
        let mut mend = Self::default();
        for code in text.split('`').skip(1).step_by(2) {
            let texts: Vec<_> = code.split('"').skip(1).step_by(2).collect();
            if code.starts_with(".named(") {
                mend.named = Some(texts[0].to_owned());
            } else if code.starts_with("flow.moved(") {
                let line = (texts[0].to_owned(), texts[1].to_owned());
                if !mend.moved.contains(&line) {
                    mend.moved.push(line);
                }
            }
        }
        mend
    }
}

/// A program whose step `stateful_map` is somewhere.
type Shape = fn(&Mend, &TestingSink<String>) -> Dataflow;

macro_rules! shape {
    (|$flow:ident, $up:ident, $name:ident| $sums:expr) => {
        |mend: &Mend, out: &TestingSink<String>| {
            let $name: Given<'_> = mend.named.as_deref();
            dataflow!("f", |$flow| {
                for (old, new) in &mend.moved {
                    $flow.moved(old, new);
                }
                let numbers = $flow.input(numbers());
                let $up = numbers.map(|n| (n % 2, n));
                let flat = $sums;
                let lines = flat.map(|line| format!("{line:?}"));
                lines.output(out.clone()).named("out");
            })
        }
    };
}

const SHAPES: [(&str, Shape); 9] = [
    (
        "plain",
        shape!(|flow, up, name| match name {
            Some(name) => up.stateful_map(add).named(name),
            None => up.stateful_map(add),
        }),
    ),
    (
        "named",
        shape!(|flow, up, name| up.stateful_map(add).named(name.unwrap_or("sums"))),
    ),
    (
        "scope",
        shape!(|flow, up, name| flow.scope("eu", || {
            let sums = up.stateful_map(add);
            match name {
                Some(name) => sums.named(name),
                None => sums,
            }
        })),
    ),
    (
        "other scope",
        shape!(|flow, up, name| flow.scope("europe", || {
            let sums = up.stateful_map(add);
            match name {
                Some(name) => sums.named(name),
                None => sums,
            }
        })),
    ),
    (
        "two scopes",
        shape!(|flow, up, name| flow.scope("eu", || flow.scope("de", || {
            up.stateful_map(add).named(name.unwrap_or("sums"))
        }))),
    ),
    ("operator", shape!(|flow, up, name| summed(up, name))),
    (
        "renamed operator",
        shape!(|flow, up, name| totalled(up, name)),
    ),
    ("nested operator", shape!(|flow, up, name| outer(up, name))),
    ("function", shape!(|flow, up, name| function(up, name))),
];

fn run_shape(shape: Shape, mend: &Mend, store: &TempDir) -> Result<Vec<String>, String> {
    let out = TestingSink::new();
    let recovery = RecoveryConfig::new(store.path());
    let config = RunConfig::new().epoch_interval(Duration::ZERO);
    let ended = cluster_main(shape(mend, &out), config.recovery(recovery));
    ended.map_err(|error| error.report())?;
    Ok(out.sorted())
}

pub(super) fn what_is_printed_works_for_every_move() {
    let none = Mend::default();
    for (from, before) in SHAPES {
        let unbroken = new_store();
        run_shape(before, &none, &unbroken).unwrap();
        let expect = run_shape(before, &none, &unbroken).unwrap();
        for (to, after) in SHAPES.iter().filter(|(to, _)| *to != from) {
            let store = new_store();
            run_shape(before, &none, &store).unwrap();
            let text = run_shape(*after, &none, &store).unwrap_err();
            let mend = Mend::of(&text);
            let found = run_shape(*after, &mend, &store);
            assert_eq!(
                found.as_ref(),
                Ok(&expect),
                "{from} -> {to}\n{text}\n{mend:?}"
            );
        }
    }
}

/// A line for a step that was guessed wrongly is answered with the right one, which works.
#[test]
fn a_line_that_means_no_step_is_put_right() {
    let none = Mend::default();
    let [(_, before), (_, after)] = [SHAPES[0], SHAPES[7]];
    let store = new_store();
    run_shape(before, &none, &store).unwrap();
    let guessed = Mend {
        moved: vec![(
            "flat.stateful_map".to_owned(),
            "flat.flat.stateful_map".to_owned(),
        )],
        ..Mend::default()
    };
    let text = run_shape(after, &guessed, &store).unwrap_err();
    let (_, help) = text.split_once("help: ").unwrap();
    let lines = run_shape(after, &Mend::of(help), &store).unwrap();
    assert_eq!(lines.len(), 6);
    assert!(lines.contains(&"(0, 12)".to_owned()), "{lines:?}");
}

/// Steps in one scope are moved together by one line.
#[test]
fn a_scope_is_moved_as_a_whole() {
    fn program(scope: &str, mend: &Mend, store: &TempDir) -> Result<Vec<String>, String> {
        let out = TestingSink::new();
        let flow = Dataflow::build("f", |flow| {
            for (old, new) in &mend.moved {
                flow.moved(old, new);
            }
            let up = flow.input(numbers()).named("in").map(|n| (n % 2, n));
            flow.scope(scope, || {
                let sums = up.clone().stateful_map(add).named("sums");
                let again = up.stateful_map(add).named("again");
                let lines = flow.merge([sums, again]).map(|line| format!("{line:?}"));
                lines.output(out.clone()).named("out");
            });
        });
        let config = RunConfig::new().epoch_interval(Duration::ZERO);
        let config = config.recovery(RecoveryConfig::new(store.path()));
        cluster_main(flow, config).map_err(|error| error.report())?;
        Ok(out.sorted())
    }
    let none = Mend::default();
    let [store, unbroken] = [new_store(), new_store()];
    for store in [&store, &unbroken] {
        program("eu", &none, store).unwrap();
    }
    let expect = program("eu", &none, &unbroken).unwrap();
    let text = program("europe.west", &none, &store).unwrap_err();
    let mend = Mend::of(&text);
    assert_eq!(
        mend.moved,
        [("eu".to_owned(), "europe.west".to_owned())],
        "{text}"
    );
    assert_eq!(program("europe.west", &mend, &store), Ok(expect));
}

/// Two steps that have exchanged their inputs: each way to read that has lines of its own, and they work.
#[test]
fn both_ways_to_read_an_exchange_work() {
    fn program(names: [&str; 2], mend: &Mend, store: &TempDir) -> Result<Vec<String>, String> {
        let out = TestingSink::new();
        let flow = Dataflow::build("f", |flow| {
            for (old, new) in &mend.moved {
                flow.moved(old, new);
            }
            let input = |name: &str| flow.input(numbers()).named(name).map(|n| (0_u64, n));
            let small = input("small").stateful_map(add).named(names[0]);
            let large = input("large")
                .map_value(|n| 100 * n)
                .stateful_map(add)
                .named(names[1]);
            let lines = flow.merge([small, large]).map(|(_, sum)| sum.to_string());
            lines.output(out.clone()).named("out");
        });
        let config = RunConfig::new().epoch_interval(Duration::ZERO);
        let config = config.recovery(RecoveryConfig::new(store.path()));
        cluster_main(flow, config).map_err(|error| error.report())?;
        Ok(out.sorted())
    }
    let none = Mend::default();
    let [store, unbroken, other] = [new_store(), new_store(), new_store()];
    for store in [&store, &unbroken, &other] {
        program(["a", "b"], &none, store).unwrap();
    }
    let expect = program(["a", "b"], &none, &unbroken).unwrap();
    let text = program(["b", "a"], &none, &store).unwrap_err();
    let ways: Vec<_> = text.split("; if ").map(Mend::of).collect();
    assert_eq!(ways[0].moved.len(), 2, "{text}");
    assert_eq!(program(["b", "a"], &ways[0], &store), Ok(expect.clone()));
    // Each goes on with the sum that was saved under its name, though it adds up other numbers now.
    assert_eq!(ways[1].moved.len(), 2, "{text}");
    let exchanged = program(["b", "a"], &ways[1], &other).unwrap();
    assert_ne!(exchanged, expect);
    let both = exchanged.iter().filter(|sum| *sum == "1515").count();
    assert_eq!(both, 2, "{exchanged:?}");
    // That is only said once.
    program(["b", "a"], &none, &other).unwrap();
}

fn multiply(product: &mut u64, n: u64) -> u64 {
    *product = (*product + 1) * (n + 2);
    *product
}

/// Programs of two or three steps that differ in nothing but their arguments.
macro_rules! closures {
    ($($name:ident $closure:ident),+) => {
        |mend: &Mend, out: &TestingSink<String>| {
            dataflow!("f", |flow| {
                for (old, new) in &mend.moved {
                    flow.moved(old, new);
                }
                let numbers = flow.input(numbers());
                let keyed = numbers.map(|n| (0_u64, n));
                $(
                    let $name = keyed.clone().stateful_map($closure);
                    let lines = $name.map(|(_, n)| format!("{}: {n}", stringify!($closure)));
                    lines.output(out.clone()).named(stringify!($name));
                )+
                keyed.inspect(|_| {});
            })
        }
    };
}

pub(super) fn steps_that_exchange_their_closures_are_refused() {
    let none = Mend::default();
    let before: Shape = closures!(one add, two multiply);
    let new_used_store = || {
        let store = new_store();
        run_shape(before, &none, &store).unwrap();
        store
    };
    let expect = run_shape(before, &none, &new_used_store()).unwrap();
    let circle: Shape = closures!(one multiply, two add);
    let chain: Shape = closures!(two add, three multiply);
    for after in [circle, chain] {
        let store = new_used_store();
        let text = run_shape(after, &none, &store).unwrap_err();
        assert!(
            text.contains("has the arguments, as `f.one.stateful_map` did"),
            "{text}"
        );
        let ways: Vec<_> = text.split("; if ").map(Mend::of).collect();
        assert_eq!(
            run_shape(after, &ways[0], &store),
            Ok(expect.clone()),
            "{text}"
        );
    }
    // Each may go on with the state under its name, if that is confirmed.
    let store = new_used_store();
    let text = run_shape(circle, &none, &store).unwrap_err();
    let ways: Vec<_> = text.split("; if ").map(Mend::of).collect();
    let lines = run_shape(circle, &ways[1], &store).unwrap();
    assert_ne!(lines, expect);
    run_shape(circle, &none, &store).unwrap();
    // One that has changed alone is for people to judge.
    let changed: Shape = closures!(one multiply, two multiply);
    run_shape(changed, &none, &new_used_store()).unwrap();
}
