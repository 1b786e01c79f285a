//! What a slow reader does to those before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use bytewax_runtime::prelude::*;
use bytewax_runtime::source::Poll;
use bytewax_runtime::testing::cluster_main;
use bytewax_runtime::{Exchange, WorkerIndex};
use chrono::DateTime;

use crate::epochs::HOUR;
use crate::shared::{
    Answer, Call, EachWorker, EachWrites, PartWrites, Parts, flow_of, sorted, start, workers_of,
};

/// An item of 1 KiB, of which few make a batch.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Big([[u64; 32]; 4]);

/// Of such items at most this many are under way between two workers: 32 batches of 64.
const BOUND: usize = 32 * 64;

/// Runs a source on worker 0 that gives batches of numbers, steps that make items of them, and a sink on
/// worker 1 that stands still at its first item. Gives how many items were made, of those that the steps
/// note, until no more were; then lets the sink go on, and checks that it gets all.
fn made_at_rest<T: Exchange>(
    memory: u64,
    batches: Vec<Vec<u64>>,
    steps: impl FnOnce(&Flow, Stream<u64>, Made) -> Stream<(u64, T)>,
) -> usize {
    let made = Made::default();
    let expected = batches.concat();
    let (go, gate) = channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let (stalled, is_stalled) = channel();
    let taken = Arc::new(std::sync::Mutex::new(Vec::new()));

    let flow = Dataflow::build("f", |flow| {
        let given = made.clone();
        let numbers = flow.input(Parts(&["only"], move |_: &str| {
            let (given, mut batches) = (given.clone(), batches.clone().into_iter());
            Ok(move || -> Answer<u64> {
                Ok(match batches.next() {
                    Some(batch) => Poll::batch(batch),
                    None => {
                        given.all.store(true, Ordering::SeqCst);
                        Poll::end()
                    }
                })
            })
        }));
        let got = Arc::clone(&taken);
        let first = AtomicUsize::new(0);
        let sink = PartWrites::new(&["only"], move |_: &str, call: Call<(u64, T)>| {
            if let Call::Write(items) = call {
                if first.fetch_add(1, Ordering::SeqCst) == 0 {
                    gate.lock().unwrap().recv()?;
                }
                got.lock().unwrap().extend(items.iter().map(|item| item.0));
            }
            Ok(())
        });
        let items = steps(flow, numbers.named("numbers"), made.clone());
        items.key_on(|_| 0_u8).output(sink).named("slow");

        // On worker 0 this one is polled in every turn; when nothing is made for a thousand of them, the
        // other waits.
        let watched = made.clone();
        let turns = EachWorker(move |worker: WorkerIndex| {
            let (made, stalled) = (watched.clone(), stalled.clone());
            let (mut last, mut same) = (0, 0);
            Ok(move || -> Answer<()> {
                let now = made.count();
                same = if now == last { same + 1 } else { 0 };
                last = now;
                let all = made.all.load(Ordering::SeqCst);
                let over = worker.0 != 0 || all || now > 0 && same >= 1000;
                if worker.0 == 0 && over {
                    stalled.send(now)?;
                }
                Ok(if over {
                    Poll::end()
                } else {
                    Poll::idle_until(DateTime::UNIX_EPOCH)
                })
            })
        });
        flow.input(turns).named("turns").raises();
    });
    let run = start(flow, workers_of(2).buffer_memory(memory));
    let at_rest = is_stalled.recv().unwrap();
    assert_eq!(taken.lock().unwrap().len(), 0);
    go.send(()).unwrap();
    run.join().unwrap().unwrap();
    let mut taken = taken.lock().unwrap().clone();
    taken.sort_unstable();
    assert_eq!(taken, sorted(expected));
    at_rest
}

/// Counts the items that were made.
#[derive(Clone, Default)]
struct Made {
    count: Arc<AtomicUsize>,
    /// Whether the source has given all it had.
    all: Arc<AtomicBool>,
}

impl Made {
    fn note(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

/// Numbers in batches of a size.
fn numbers(count: u64, batch: u64) -> Vec<Vec<u64>> {
    let starts = (0..count).step_by(batch as usize);
    starts
        .map(|start| (start..count.min(start + batch)).collect())
        .collect()
}

/// A sink on worker 1 that stands still holds up the source on worker 0, and not for ever.
#[test]
fn a_slow_sink_bounds_what_the_source_gives() {
    let at_rest = made_at_rest(1 << 30, numbers(20_000, 1), |_, numbers, made| {
        numbers.map(move |n| {
            made.note();
            (n, Big([[n; 32]; 4]))
        })
    });
    assert!(at_rest <= BOUND + 64, "the source gave {at_rest} items");
}

const MEGA: usize = 1 << 20;
const MEMORY: u64 = 16 << 20;

/// What a stopped sink may have before it of items of 1 MiB, with the one that it writes and one that has
/// just been made.
const MEGAS: usize = 16 + 2;

fn mega() -> String {
    "x".repeat(MEGA)
}

#[test]
fn large_items_are_bounded_by_their_bytes() {
    for batch in [1, 7, 200] {
        let at_rest = made_at_rest(MEMORY, numbers(200, batch), |_, numbers, made| {
            numbers.map(move |n| {
                made.note();
                (n, mega())
            })
        });
        assert!(
            at_rest <= MEGAS,
            "{at_rest} were made, in batches of {batch}"
        );
    }
}

#[test]
fn a_few_large_items_among_small_ones_count() {
    let is_large = |n: u64| n % 37 == 20;
    let at_rest = made_at_rest(MEMORY, numbers(4000, 400), |_, numbers, made| {
        numbers.map(move |n| {
            let text = if is_large(n) {
                made.note();
                mega()
            } else {
                String::new()
            };
            (n, text)
        })
    });
    assert!(at_rest <= MEGAS, "{at_rest} were made");
}

#[test]
fn large_items_that_are_made_on_the_way_count() {
    // Behind an edge, from small items, by a step that makes several of each, and by one with state.
    let at_rest = made_at_rest(MEMORY, numbers(200, 200), |_, numbers, made| {
        let spread = numbers.redistribute();
        spread.flat_map(move |n| {
            let made = made.clone();
            (n % 2 == 0)
                .then_some([n, n + 1])
                .into_iter()
                .flatten()
                .map(move |n| {
                    made.note();
                    (n, mega())
                })
        })
    });
    assert!(at_rest <= MEGAS, "{at_rest} were made");
    let at_rest = made_at_rest(MEMORY, numbers(200, 200), |_, numbers, made| {
        let keyed = numbers.key_on(|n| n % 3);
        let large = keyed.stateful_map(move |(), n| {
            made.note();
            (n, mega())
        });
        large.named("large").key_rm()
    });
    assert!(at_rest <= MEGAS, "{at_rest} were made");
}

/// `merge` knows the type of its items by the sink behind it.
#[test]
fn large_items_that_stay_on_a_worker_count() {
    let at_rest = made_at_rest(MEMORY, numbers(200, 200), |flow, numbers, made| {
        let (even, odd) = (
            numbers.clone().filter(|n| n % 2 == 0),
            numbers.filter(|n| n % 2 == 1),
        );
        let sides = [even, odd].map(|side| {
            let made = made.clone();
            side.map(move |n| {
                made.note();
                (n, mega())
            })
        });
        flow.merge(sides)
    });
    assert!(at_rest <= MEGAS, "{at_rest} were made");
}

/// The same through a chain of keyed steps, each of which holds no more than its share.
#[test]
fn steps_between_hold_back_too() {
    let given = Arc::new(AtomicUsize::new(0));
    let taken = Arc::new(AtomicUsize::new(0));
    let (count, got) = (Arc::clone(&given), Arc::clone(&taken));
    let source = Parts(&["only"], move |_: &str| {
        let count = Arc::clone(&count);
        Ok(move || -> Answer<Big> {
            let n = count.fetch_add(1, Ordering::SeqCst);
            Ok(if n < 10_000 {
                Poll::item(Big([[n as u64; 32]; 4]))
            } else {
                Poll::end()
            })
        })
    });
    let most = Arc::new(AtomicUsize::new(0));
    let (given, highest) = (Arc::clone(&given), Arc::clone(&most));
    let sink = EachWrites::new(move |_, call: Call<Big>| {
        if let Call::Write(items) = call {
            let taken = got.fetch_add(items.len(), Ordering::SeqCst);
            highest.fetch_max(given.load(Ordering::SeqCst) - taken, Ordering::SeqCst);
        }
        Ok(())
    });
    let flow = flow_of(
        source,
        |s| {
            let s = s
                .key_on(|big| big.0[0][0])
                .stateful_map(|(), big| big)
                .named("one")
                .key_rm();
            let s = s.redistribute();
            s.key_on(|big| big.0[0][0] / 7)
                .stateful_map(|(), big| big)
                .named("two")
                .key_rm()
        },
        sink,
    );
    cluster_main(flow, workers_of(3)).unwrap();
    assert_eq!(taken.load(Ordering::SeqCst), 10_000);
    // Three edges, and three workers that send over the latter two.
    let most = most.load(Ordering::SeqCst);
    assert!(most <= 7 * (BOUND + 64), "{most} items were under way");
}

/// Streams that part and meet again, with more under way than their edges hold.
#[test]
fn diamonds_do_not_lock_up() {
    const BATCHES: usize = 100;
    const BATCH: usize = 50;
    for workers in 1..=3 {
        for interval in [Duration::ZERO, Duration::from_millis(1), HOUR] {
            let source = EachWorker(move |_| {
                let mut polls = 0;
                Ok(move || -> Answer<Big> {
                    polls += 1;
                    let batch = (0..BATCH).map(|n| Big([[n as u64; 32]; 4])).collect();
                    Ok(if polls > BATCHES {
                        Poll::end()
                    } else {
                        Poll::batch(batch)
                    })
                })
            });
            let count = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&count);
            let flow = Dataflow::build("f", |flow| {
                let items = flow.input(source).named("in");
                let per_key = items.clone().key_on(|big| big.0[0][0] % 13);
                let per_key = per_key.stateful_map(|(), big| big).named("first").key_rm();
                let spread = items.clone().redistribute();
                let all = flow.merge([items, per_key.clone(), spread]);
                let again = all.clone().key_on(|big| big.0[0][0] % 7);
                let again = again.stateful_map(|(), big| big).named("second").key_rm();
                flow.merge([per_key, all, again]).inspect(move |_| {
                    counted.fetch_add(1, Ordering::Relaxed);
                });
            });
            cluster_main(flow, workers_of(workers).epoch_interval(interval)).unwrap();
            assert_eq!(count.load(Ordering::SeqCst), 7 * BATCHES * BATCH * workers);
        }
    }
}
