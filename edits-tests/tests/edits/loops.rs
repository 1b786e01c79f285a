//! Edits of lists over which a flow is built, in scopes that are named by numbers.

use super::table::{Offered, shown};
use super::*;

/// What is read in the scope of each element of a list: so many numbers, with an end in the middle.
fn program(out: &TestingSink<String>, patch: &Patch, list: &[(&str, u64)]) -> Dataflow {
    Dataflow::build("f", |flow| {
        patch.say(flow);
        for (number, (name, first)) in list.iter().enumerate() {
            flow.scope(number.to_string(), || {
                let items = [
                    TestingItem::Item(*first),
                    TestingItem::Eof,
                    TestingItem::Item(1),
                ];
                let numbers = flow.input(TestingSource::with_marks(items)).named("in");
                let sums = numbers.map(|n| ((), n)).stateful_map(|sum: &mut u64, n| {
                    *sum += n;
                    *sum
                });
                let name = (*name).to_owned();
                let lines = sums
                    .named("sums")
                    .map(move |((), sum)| format!("{name}: {sum}"));
                lines.output(out.clone()).named("out");
            });
        }
    })
}

const EU: (&str, u64) = ("eu", 10);
const US: (&str, u64) = ("us", 20);
const ASIA: (&str, u64) = ("asia", 30);

fn run_list(list: &[(&str, u64)], patch: &Patch, store: &TempDir) -> Result<Vec<String>, String> {
    let out = TestingSink::new();
    let config = RunConfig::new().epoch_interval(Duration::ZERO);
    let config = config.recovery(RecoveryConfig::new(store.path()));
    let ended = cluster_main(program(&out, patch, list), config);
    let lines = out.sorted();
    ended.map(|()| lines.clone()).map_err(|error| {
        assert!(lines.is_empty(), "it is refused after {lines:?} came out");
        error.report()
    })
}

rows! {
    "Loops with numbers"
    "A loop may name the scope of each element after its number. If the list becomes longer or shorter, the numbers \
     do not show which element is new or gone, so you must declare it. Meaningful names, such as names of regions, \
     need no such lines."

    element_added "an element is added, anywhere in the list":
        shown("refused", "`flow.moved(..)` for scopes, for each possible meaning", an_element_that_is_added_is_asked_for)
            .uncompiled("the names are known only when the flow is built");
    element_removed "an element is removed, anywhere in the list":
        shown(
            "refused",
            "`flow.dropped(..)`, and `flow.moved(..)` for those after it",
            an_element_that_is_removed_is_asked_for,
        )
        .uncompiled("the names are known only when the flow is built");
    element_replaced "elements are replaced or reordered":
        shown(
            "continues; only you know what a number stands for: give the scopes names",
            "",
            elements_of_one_number_are_the_same,
        )
        .uncompiled("the names are known only when the flow is built");
}

fn an_element_that_is_added_is_asked_for() {
    let store = new_store();
    run_list(&[EU, US], &Patch::default(), &store).unwrap();
    let kept = run_list(&[EU, US], &Patch::default(), &copy(store.path())).unwrap();
    assert_eq!(kept, ["eu: 11", "us: 21"]);
    for (list, place) in [([EU, US, ASIA], "the last"), ([ASIA, EU, US], "the first")] {
        let text = run_list(&list, &Patch::default(), &store).unwrap_err();
        let what = "the flow has 3 scopes `0` to `2`, and its state was saved with 2 scopes; the numbers do not \
        show which of them are new";
        assert!(text.contains(what), "{text}");
        let patch = Offered::when(&text, place);
        let store = copy(store.path());
        assert_eq!(
            run_list(&list, &patch, &store).unwrap(),
            ["asia: 30", "eu: 11", "us: 21"]
        );
        // The new one is known then; lines that move stay.
        let patch = if place == "the last" {
            Patch::default()
        } else {
            patch
        };
        assert_eq!(run_list(&list, &patch, &store).unwrap(), ["asia: 31"]);
    }
    // A scope that has saved nothing yet is known too, and numbers that are not all there are names.
    let store = new_store();
    let quiet = ("quiet", 0);
    run_list(&[EU, quiet], &Patch::default(), &store).unwrap();
    assert_eq!(
        run_list(&[EU, quiet], &Patch::default(), &store)
            .unwrap()
            .len(),
        2
    );
}

fn an_element_that_is_removed_is_asked_for() {
    let store = new_store();
    run_list(&[EU, US, ASIA], &Patch::default(), &store).unwrap();
    for (list, place, lines) in [
        ([EU, US], "the last", ["eu: 11", "us: 21"]),
        ([US, ASIA], "the first", ["asia: 31", "us: 21"]),
    ] {
        let text = run_list(&list, &Patch::default(), &store).unwrap_err();
        let what = "the flow has 2 scopes `0` to `1`, and its state was saved with 3 scopes; the numbers do not \
        show which of them are gone";
        assert!(text.contains(what), "{text}");
        assert_eq!(text.matches("help: ").count(), 1, "{text}");
        let patch = Offered::when(&text, place);
        let store = copy(store.path());
        assert_eq!(run_list(&list, &patch, &store).unwrap(), lines);
        assert!(run_list(&list, &patch, &store).unwrap().is_empty());
    }
}

fn elements_of_one_number_are_the_same() {
    let store = new_store();
    run_list(&[EU, US], &Patch::default(), &store).unwrap();
    let lines = run_list(&[US, EU], &Patch::default(), &store);
    assert_eq!(lines.unwrap(), ["eu: 21", "us: 11"]);
}
