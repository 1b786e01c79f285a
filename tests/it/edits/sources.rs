//! Edits of what a source reads.

use bytewax::source::Poll;

use super::*;

/// The numbers of a topic, six in each run.
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

macro_rules! reads {
    ($($name:literal $source:expr),+) => {
        |out: &TestingSink<String>| {
            Dataflow::build("f", |flow| {
                $(
                    let numbers = flow.input($source).named($name);
                    let lines = numbers.map(|n| format!("{}: {n}", $name));
                    lines.output(out.clone()).named(concat!($name, "_out"));
                )+
            })
        }
    };
}

#[test]
fn another_topic_does_not_go_on_at_the_position_of_the_first() {
    let store = new_store();
    let lines = |first: u64| (first..first + 2).map(|n| format!("a: {n}")).collect();
    assert_eq!(run(reads!("a" marked(1, 2)), &store), Ok(lines(101)));
    let text = run(reads!("a" marked(3, 4)), &store).unwrap_err();
    for word in [
        "`marked[topic=1]`",
        "it lists `marked[topic=3]`",
        "give the step another name",
    ] {
        assert!(text.contains(word), "{text}");
    }
    // A setting without a mark may change.
    assert_eq!(run(reads!("a" marked(1, 4)), &store), Ok(lines(103)));
}

#[test]
fn two_topics_that_are_swapped_are_refused() {
    let store = new_store();
    run(reads!("a" marked(1, 2), "b" marked(3, 5)), &store).unwrap();
    let text = run(reads!("a" marked(3, 6), "b" marked(1, 6)), &store).unwrap_err();
    assert!(
        text.contains("does not list any more: `marked[topic="),
        "{text}"
    );
}

#[test]
fn a_position_from_before_the_mark_is_resumed() {
    let store = new_store();
    run(reads!("a" before::marked(1, 2)), &store).unwrap();
    let lines = |first: u64| (first..first + 2).map(|n| format!("a: {n}")).collect();
    assert_eq!(run(reads!("a" marked(1, 4)), &store), Ok(lines(103)));
    assert_eq!(run(reads!("a" marked(1, 6)), &store), Ok(lines(105)));
    run(reads!("a" marked(3, 6)), &store).unwrap_err();
}
