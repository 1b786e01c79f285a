//! The program `orders` is killed by SIGKILL at random moments, again and again, and goes on each time with other numbers of
//! workers and processes. In the end a reader of committed messages has seen each result once.
//!
//! `KILLS=50 ORDERS=100000 .ci/kafka cargo test -p kafka-tests --test real kills -- --include-ignored` kills more often than the
//! usual 12 times. A failure prints the seed; `KILL_SEED=…` makes the same choices again, though not the same moments.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kafka_tests::produce;

use super::orders::{TOPICS, check, start, texts, wait_for_all};
use super::util::{brokers, topic_named};

/// A whole number in a variable.
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is `{text}`, and has to be a number")))
}

/// The numbers of Knuth's MMIX.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
#[ignore = "needs Apache Kafka: `.ci/kafka`"]
fn killed_again_and_again() {
    let kills = number("KILLS").unwrap_or(12);
    let orders = number("ORDERS").unwrap_or(20_000);
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed =
        number("KILL_SEED").unwrap_or_else(|| time.map_or(0, |time| time.as_micros() as u64));
    println!("KILL_SEED={seed} KILLS={kills} ORDERS={orders}");
    let mut random = Random(seed);
    let brokers = brokers();
    let [from, priced, dead] = TOPICS;
    topic_named(from, 4);
    topic_named(priced, 3);
    topic_named(dead, 1);
    let store = tempfile::tempdir().unwrap();
    let texts = texts(usize::try_from(orders).unwrap());
    // Some come before each kill, so that all lives have something to do.
    let share = texts.len() / usize::try_from(kills + 1).unwrap();
    let mut parts = texts.chunks(share.max(1));
    let mut send = |all: bool| {
        let parts = parts.by_ref().take(if all { usize::MAX } else { 1 });
        for part in parts {
            for partition in 0..4 {
                let own = part.iter().skip(partition).step_by(4);
                produce(&brokers, from, i32::try_from(partition).unwrap(), own);
            }
        }
    };
    for kill in 0..kills {
        send(false);
        let workers = (1 + random.below(4)).to_string();
        let run: &[&str] = match random.below(4) {
            0 => &["-p", "2", "-w", "1"],
            _ => &["-w", &workers],
        };
        let mut child = start(&brokers, store.path(), run);
        let life = Duration::from_millis(300 + random.below(5000));
        thread::sleep(life);
        println!("kill {kill}: {run:?} after {life:?}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    send(true);
    let mut child = start(&brokers, store.path(), &["-w", "2"]);
    wait_for_all(&brokers, texts.len());
    // It is given time to write something twice.
    thread::sleep(Duration::from_secs(3));
    check(&brokers, texts.len());
    child.kill().unwrap();
    child.wait().unwrap();
}
