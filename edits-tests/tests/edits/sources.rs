//! Edits of what a source reads.

use bytewax::source::Poll;

use super::table::{Mend::*, shown};
use super::*;

/// The numbers of a topic, three in the first run and all others in the second.
#[source]
fn marked(#[partition] topic: u64, until: u64, #[resume] next: &mut u64) -> Poll<u64> {
    if *next == until {
        return Poll::end();
    }
    *next += 1;
    Poll::item(100 * topic + *next)
}

/// The same before the topic was marked.
mod before {
    use super::*;

    #[source]
    pub(super) fn marked(topic: u64, until: u64, #[resume] next: &mut u64) -> Poll<u64> {
        if *next == until {
            return Poll::end();
        }
        *next += 1;
        Poll::item(100 * topic + *next)
    }
}

/// The position is a number of another type.
mod narrow {
    use super::*;

    #[source]
    pub(super) fn marked(
        #[partition] topic: u64,
        until: u32,
        #[resume] next: &mut u32,
    ) -> Poll<u64> {
        if *next == until {
            return Poll::end();
        }
        *next += 1;
        Poll::item(100 * topic + u64::from(*next))
    }
}

/// The position is a struct that begins with such a number.
mod mended {
    use super::*;

    #[stateful(version = 2, from(u64))]
    #[derive(Clone, Default)]
    pub(super) struct Next(u32);

    impl From<u64> for Next {
        fn from(old: u64) -> Self {
            Self(old as u32)
        }
    }

    #[source]
    pub(super) fn marked(
        #[partition] topic: u64,
        until: u32,
        #[resume] next: &mut Next,
    ) -> Poll<u64> {
        if next.0 == until {
            return Poll::end();
        }
        next.0 += 1;
        Poll::item(100 * topic + u64::from(next.0))
    }
}

/// The function has another name.
#[source]
fn renamed(#[partition] topic: u64, until: u64, #[resume] next: &mut u64) -> Poll<u64> {
    if *next == until {
        return Poll::end();
    }
    *next += 1;
    Poll::item(100 * topic + *next)
}

macro_rules! reads {
    ($($name:literal $source:expr),+) => {
        |out: &TestingSink<String>, patch: &Patch| {
            flow!("f", |flow| {
                patch.say(flow);
                $(
                    let numbers = flow.input($source).named(&patch.name($name));
                    let lines = numbers.map(|n| format!("{}: {n}", $name));
                    lines.output(out.clone()).named(concat!($name, "_out"));
                )+
            })
        }
    };
}

const GONE: &str = "does not list any more: `marked[topic=1]`";

rows! {
    "Sources"
    "A source saves its position under the name of each of its partitions. A setting with `#[partition]` is part of \
     that name; a setting without it may change."

    setting_without_mark "a setting without `#[partition]` has another value":
        row(reads!("a" marked(1, 2)), reads!("a" marked(1, 5)))
            .asks("only you know whether it selects the input: mark it if it does", &["a: 103", "a: 104", "a: 105"]);
    another_topic "a setting with `#[partition]` has another value":
        row(reads!("a" marked(1, 2)), reads!("a" marked(3, 2)))
            .refused(&[GONE, "it lists `marked[topic=3]`"], &[Back, Anew]);
    topics_exchanged "two sources swap such a setting":
        row(reads!("a" marked(1, 2), "b" marked(3, 2)), reads!("a" marked(3, 2), "b" marked(1, 2)))
            .refused(&["does not list any more: `marked[topic="], &[Back, Anew])
            .by_compiler("steps of `dataflow.lock` have swapped their names or their arguments");
    function_renamed "the function of a `#[source]` is renamed":
        row(reads!("a" marked(1, 2)), reads!("a" renamed(1, 2)))
            .refused(&[GONE, "it lists `renamed[topic=1]`"], &[Back, Anew]);
    position_type "the position has another type":
        row(reads!("a" marked(1, 2)), reads!("a" narrow::marked(1, 2)))
            .refused(&["the position of `f.a`"], &[Back, Version, Anew])
            .written("#[stateful(version = 2, from(..))]", reads!("a" mended::marked(1, 2)));
    mark_added "a setting is marked by `#[partition]`":
        shown("continues; from then on its value matters", "", a_position_from_before_the_mark_is_resumed)
            .compiled(reads!("a" before::marked(1, 2)), reads!("a" marked(1, 2)));
    source_added "a source is added":
        row(reads!("a" marked(1, 2)), reads!("a" marked(1, 3), "b" marked(3, 1)))
            .asks("it starts at its first item", &["a: 103", "b: 301"]);
    source_removed "a source is removed":
        row(reads!("a" marked(1, 2), "b" marked(3, 2)), reads!("a" marked(1, 2)))
            .refused(&["the source `f.b` has no step"], &[Back, Kept, Dropped, Command])
            .leaving(&[])
            .by_compiler("has no step in this flow");
}

fn a_position_from_before_the_mark_is_resumed() {
    let store = new_store();
    run(reads!("a" before::marked(1, 2)), &store).unwrap();
    let lines = |first: u64| (first..first + 2).map(|n| format!("a: {n}")).collect();
    assert_eq!(run(reads!("a" marked(1, 4)), &store), Ok(lines(103)));
    assert_eq!(run(reads!("a" marked(1, 6)), &store), Ok(lines(105)));
    run(reads!("a" marked(3, 6)), &store).unwrap_err();
}
