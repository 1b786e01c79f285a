//! What a slow reader does to those before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use bytewax_runtime::WorkerIndex;
use bytewax_runtime::prelude::*;
use bytewax_runtime::source::Poll;
use bytewax_runtime::testing::cluster_main;
use chrono::DateTime;

use crate::epochs::HOUR;
use crate::support::{
    Answer, Call, EachWorker, EachWrites, PartWrites, Parts, flow_of, start, workers_of,
};

/// An item of 1 KiB, of which few make a batch.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Big([[u64; 32]; 4]);

/// Of such items at most this many are under way between two workers: 32 batches of 64.
const BOUND: usize = 32 * 64;

/// A sink on worker 1 that stands still holds up the source on worker 0, and not for ever.
#[test]
fn a_slow_sink_bounds_what_the_source_gives() {
    const ITEMS: usize = 20_000;
    let given = Arc::new(AtomicUsize::new(0));
    let taken = Arc::new(AtomicUsize::new(0));
    let (go, gate) = channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let (stalled, is_stalled) = channel();

    let flow = Dataflow::build("f", |flow| {
        let count = Arc::clone(&given);
        let big = flow.input(Parts(&["only"], move |_: &str| {
            let count = Arc::clone(&count);
            Ok(move || -> Answer<Big> {
                let n = count.fetch_add(1, Ordering::SeqCst);
                Ok(if n < ITEMS {
                    Poll::item(Big([[n as u64; 32]; 4]))
                } else {
                    Poll::end()
                })
            })
        }));
        let got = Arc::clone(&taken);
        let first = AtomicUsize::new(0);
        let sink = PartWrites::new(&["only"], move |_: &str, call: Call<Big>| {
            if let Call::Write(items) = call {
                if first.fetch_add(1, Ordering::SeqCst) == 0 {
                    gate.lock().unwrap().recv()?;
                }
                for Big(item) in items {
                    assert_eq!(item[3][31], got.fetch_add(1, Ordering::SeqCst) as u64);
                }
            }
            Ok(())
        });
        big.named("big").key_on(|_| 0_u8).output(sink).named("slow");

        // On worker 0 this one is polled in every turn; when the other is not for a thousand of
        // them, it waits.
        let count = Arc::clone(&given);
        let turns = EachWorker(move |worker: WorkerIndex| {
            let (count, stalled) = (Arc::clone(&count), stalled.clone());
            let (mut last, mut same) = (0, 0);
            Ok(move || -> Answer<()> {
                let now = count.load(Ordering::SeqCst);
                same = if now == last { same + 1 } else { 0 };
                last = now;
                if worker.0 == 0 && now > 0 && same == 1000 {
                    stalled.send(now)?;
                }
                let over = worker.0 != 0 || same >= 1000 || now > ITEMS;
                Ok(if over {
                    Poll::end()
                } else {
                    Poll::idle_until(DateTime::UNIX_EPOCH)
                })
            })
        });
        flow.input(turns).named("turns").raises();
    });
    let run = start(flow, workers_of(2));
    let at_rest = is_stalled.recv().unwrap();
    assert!(at_rest <= BOUND + 64, "the source gave {at_rest} items");
    assert_eq!(taken.load(Ordering::SeqCst), 0);
    go.send(()).unwrap();
    run.join().unwrap().unwrap();
    assert_eq!(taken.load(Ordering::SeqCst), ITEMS);
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
