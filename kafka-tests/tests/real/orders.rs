//! The program `orders`, from its messages in to its messages out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use kafka_tests::consume;

use super::util::wait_until;

/// The topics of the program.
pub(crate) const TOPICS: [&str; 3] = ["orders", "priced", "dead_letters"];

/// One in so many orders is bad.
const BAD: usize = 100;

/// The texts of orders, of which some cannot be read.
pub(crate) fn texts(count: usize) -> Vec<String> {
    let text = |id: usize| match id % BAD {
        99 => format!("bad {id}"),
        _ => format!(
            r#"{{"id":{id},"item":"item-{}","count":{}}}"#,
            id % 37,
            id % 7
        ),
    };
    (0..count).map(text).collect()
}

/// Starts the program.
pub(crate) fn start(brokers: &str, store: &Path, run: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_orders"))
        .args(["--brokers", brokers, "-s", "1", "-r"])
        .arg(store)
        .args(run)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts")
}

/// How many messages a reader of committed messages sees.
fn seen(brokers: &str) -> usize {
    let [_, priced, dead] = TOPICS;
    consume(brokers, priced).len() + consume(brokers, dead).len()
}

/// Waits until there is a message for each order.
pub(crate) fn wait_for_all(brokers: &str, count: usize) {
    wait_until("the last order", || seen(brokers) >= count);
}

/// Checks that each good order was priced once, and each bad one is a dead letter with a reason.
#[track_caller]
pub(crate) fn check(brokers: &str, count: usize) {
    let [_, priced, dead] = TOPICS;
    let mut times: BTreeMap<u64, usize> = BTreeMap::new();
    for read in consume(brokers, priced) {
        let value: serde_json::Value =
            serde_json::from_str(&read.value.unwrap_or_default()).expect("it is JSON");
        let id = value["id"].as_u64().expect("a number");
        assert_eq!(read.key, Some(id.to_string()));
        assert_eq!(value["cents"].as_u64(), Some(100 * (id % 7)));
        *times.entry(id).or_default() += 1;
    }
    let good = (0..count as u64).filter(|id| id % BAD as u64 != 99);
    let wrong: Vec<_> = good
        .clone()
        .map(|id| (id, times.get(&id).copied().unwrap_or_default()))
        .filter(|(_, times)| *times != 1)
        .take(10)
        .collect();
    assert_eq!(wrong, [], "ids and how often each was priced");
    assert_eq!(times.len(), good.count());
    let letters = consume(brokers, dead);
    let mut bad = BTreeSet::new();
    for letter in &letters {
        let (name, reason) = &letter.headers[letter.headers.len() - 1];
        assert_eq!(name, "error");
        assert!(
            reason.as_deref().unwrap_or_default().contains("expected"),
            "{reason:?}"
        );
        bad.insert(letter.value.clone().unwrap_or_default());
    }
    let expect: BTreeSet<String> = texts(count)
        .into_iter()
        .filter(|text| text.starts_with("bad"))
        .collect();
    assert_eq!((bad, letters.len()), (expect.clone(), expect.len()));
}
