//! The workloads on timely's own operators, as someone who knows timely would write them by hand.

use std::cell::RefCell;
use std::hash::BuildHasher;
use std::rc::Rc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use timely::communication::Config as Communication;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::operator::source;
use timely::dataflow::operators::vec::{Filter, Map};
use timely::dataflow::operators::{Capability, Operator};
use timely::dataflow::{Scope, StreamVec};

use crate::case::Case;
use crate::check::{Check, StreamCheck, WordCheck};
use crate::keyed::{Running, events};
use crate::windows::{Event, Tallied, Windows};
use crate::words::{Lines, each_word, words_of};
use crate::{chain, keyed, pairs, windows};

pub(crate) type Time = u64;
pub(crate) type Tally<C> = Rc<RefCell<C>>;

/// How keys are spread over workers. The seed is the same in all of them and differs from that of any
/// map: with one seed for both, a worker's keys would be alike in the bits that its map goes by.
pub(crate) const ROUTE: FixedState = FixedState::with_seed(0x0B1E);

/// W1: lines, owned words, each word sent to the worker that counts it.
pub fn words(case: &Case) -> Result<WordCheck, String> {
    let (file, batch) = (case.file.clone(), case.batch());
    execute(case.workers, move |scope, tally: Tally<WordCheck>| {
        let lines =
            Lines::open(&file, scope.index(), scope.peers()).expect("the text can be opened");
        feed(scope, batch, lines)
            .flat_map(|line: String| words_of(&line))
            .unary_frontier(
                Exchange::new(|word: &String| ROUTE.hash_one(word)),
                "Count",
                |capability, _| {
                    let mut counts = HashMap::<String, u64>::new();
                    let mut end = AtEnd::new(capability);
                    move |(input, frontier), output| {
                        input.for_each_time(|_, batches| {
                            for word in batches.flat_map(|batch| batch.drain(..)) {
                                *counts.entry(word).or_default() += 1;
                            }
                        });
                        if let Some(capability) = end.reached(frontier.is_empty()) {
                            output.session(&capability).give_iterator(counts.drain());
                        }
                    }
                },
            )
            .container::<Vec<(String, u64)>>()
            .sink(Pipeline, "Check", move |(input, _)| {
                let mut tally = tally.borrow_mut();
                input.for_each_time(|_, batches| {
                    for (word, count) in batches.flat_map(|batch| batch.drain(..)) {
                        tally.add(word.as_bytes(), count);
                    }
                });
            });
    })
}

/// W1 with a combiner: a worker counts what it reads without owning the words, and only its counts are
/// sent on and added up.
pub fn words_combined(case: &Case) -> Result<WordCheck, String> {
    let (file, batch) = (case.file.clone(), case.batch());
    execute(case.workers, move |scope, tally: Tally<WordCheck>| {
        let lines =
            Lines::open(&file, scope.index(), scope.peers()).expect("the text can be opened");
        feed(scope, batch, lines)
            .unary_frontier(Pipeline, "CountOwn", |capability, _| {
                let mut counts = HashMap::<Vec<u8>, u64>::new();
                let mut end = AtEnd::new(capability);
                let mut space = Vec::new();
                move |(input, frontier), output| {
                    input.for_each_time(|_, batches| {
                        for line in batches.flat_map(|batch| batch.drain(..)) {
                            each_word(line.as_bytes(), &mut space, |word| {
                                *counts.entry_ref(word).or_default() += 1;
                            });
                        }
                    });
                    if let Some(capability) = end.reached(frontier.is_empty()) {
                        output.session(&capability).give_iterator(counts.drain());
                    }
                }
            })
            .container::<Vec<(Vec<u8>, u64)>>()
            .unary_frontier(
                Exchange::new(|(word, _): &(Vec<u8>, u64)| ROUTE.hash_one(word)),
                "Add",
                |capability, _| {
                    let mut counts = HashMap::<Vec<u8>, u64>::new();
                    let mut end = AtEnd::new(capability);
                    move |(input, frontier), output| {
                        input.for_each_time(|_, batches| {
                            for (word, count) in batches.flat_map(|batch| batch.drain(..)) {
                                *counts.entry(word).or_default() += count;
                            }
                        });
                        if let Some(capability) = end.reached(frontier.is_empty()) {
                            output.session(&capability).give_iterator(counts.drain());
                        }
                    }
                },
            )
            .container::<Vec<(Vec<u8>, u64)>>()
            .sink(Pipeline, "Check", move |(input, _)| {
                let mut tally = tally.borrow_mut();
                input.for_each_time(|_, batches| {
                    for (word, count) in batches.flat_map(|batch| batch.drain(..)) {
                        tally.add(&word, count);
                    }
                });
            });
    })
}

/// W2: an operator for each step, with a buffer between each two.
pub fn chain(case: &Case) -> Result<StreamCheck, String> {
    let (n, batch) = (case.n(), case.batch());
    execute(case.workers, move |scope, tally: Tally<StreamCheck>| {
        feed(scope, batch, chain::inputs(scope.index(), scope.peers(), n))
            .map(chain::spread)
            .filter(chain::keep)
            .map(chain::fold)
            .flat_map(chain::expand)
            .sink(Pipeline, "Sum", move |(input, _)| {
                let mut tally = tally.borrow_mut();
                input.for_each_time(|_, batches| {
                    for batch in batches {
                        tally.add_all(batch);
                        batch.clear();
                    }
                });
            });
    })
}

/// W3: events sent by their key, a result with an owned key for each.
pub fn keyed(case: &Case) -> Result<StreamCheck, String> {
    let (n, batch) = (case.n(), case.batch());
    execute(case.workers, move |scope, tally: Tally<StreamCheck>| {
        feed(scope, batch, events(scope.index(), scope.peers(), n))
            .unary(
                Exchange::new(|(key, _): &(String, f64)| ROUTE.hash_one(key)),
                "Running",
                |_, _| {
                    let mut states = HashMap::<String, keyed::Running>::new();
                    move |input, output| {
                        input.for_each_time(|time, batches| {
                            let mut session = output.session(&time);
                            for (key, value) in batches.flat_map(|batch| batch.drain(..)) {
                                let (mean, max) = match states.get_mut(&key) {
                                    Some(state) => state.push(value),
                                    None => {
                                        let mut state = Running::default();
                                        let result = state.push(value);
                                        states.insert(key.clone(), state);
                                        result
                                    }
                                };
                                session.give((key, mean, max));
                            }
                        });
                    }
                },
            )
            .container::<Vec<(String, f64, f64)>>()
            .sink(Pipeline, "Sum", move |(input, _)| {
                let mut tally = tally.borrow_mut();
                input.for_each_time(|_, batches| {
                    for (_, mean, max) in batches.flat_map(|batch| batch.drain(..)) {
                        tally.add_running(mean, max);
                    }
                });
            });
    })
}

/// W4 and W5: timely's time is the watermark in seconds, and windows close on the frontier.
pub fn windows(case: &Case) -> Result<StreamCheck, String> {
    let (n, batch, offset) = (case.n(), case.batch(), windows::offset(case.workload));
    execute(case.workers, move |scope, tally: Tally<StreamCheck>| {
        let events = windows::events(scope.index(), scope.peers(), n);
        let events: StreamVec<'_, Time, Event> = source(scope, "Events", |capability, info| {
            let turn = scope.activator_for(info.address);
            let mut rest = Some((capability, events));
            let mut newest = i64::MIN;
            move |output| {
                let Some((capability, events)) = &mut rest else {
                    return;
                };
                let mut session = output.session(capability);
                let mut given = 0;
                for event in events.by_ref().take(batch) {
                    newest = newest.max(event.1);
                    session.give(event);
                    given += 1;
                }
                drop(session);
                if given < batch {
                    rest = None;
                    return;
                }
                let watermark = ((newest - windows::WAIT) / 1_000_000) as Time;
                if watermark > *capability.time() {
                    capability.downgrade(&watermark);
                }
                turn.activate();
            }
        });
        events
            .unary_frontier(
                Exchange::new(|event: &Event| ROUTE.hash_one(event.0)),
                "Windows",
                move |capability, _| {
                    let mut windows = Windows::new(offset);
                    let mut capability = Some(capability);
                    move |(input, frontier), output| {
                        input.for_each_time(|_, batches| {
                            for event in batches.flat_map(|batch| batch.drain(..)) {
                                windows.push(event);
                            }
                        });
                        let Some(now) = &mut capability else {
                            return;
                        };
                        let first = frontier.frontier().first().copied();
                        let watermark = first.map_or(i64::MAX, |second| second as i64 * 1_000_000);
                        let mut session = output.session(now);
                        windows.close(watermark, |key, begin, tallied| {
                            session.give((key, begin, tallied));
                        });
                        drop(session);
                        match first {
                            Some(second) => now.downgrade(&second),
                            None => capability = None,
                        }
                    }
                },
            )
            .container::<Vec<(u32, i64, Tallied)>>()
            .sink(Pipeline, "Sum", move |(input, _)| {
                let mut tally = tally.borrow_mut();
                input.for_each_time(|_, batches| {
                    for (key, begin, tallied) in batches.flat_map(|batch| batch.drain(..)) {
                        tally.add(tallied.checked(key, begin));
                    }
                });
            });
    })
}

/// W6: both streams sent by their key, the halves of a pair kept until there are both.
pub fn pairs(case: &Case) -> Result<StreamCheck, String> {
    let (n, batch) = (case.n(), case.batch());
    execute(case.workers, move |scope, tally: Tally<StreamCheck>| {
        let side = |of: fn(u64) -> (u64, u64)| feed(scope, batch, (0..n).map(of));
        let by_key = || Exchange::new(|(key, _): &(u64, u64)| ROUTE.hash_one(key));
        side(pairs::left)
            .binary(side(pairs::right), by_key(), by_key(), "Join", |_, _| {
                let mut waiting = HashMap::<u64, (Option<u64>, Option<u64>)>::new();
                move |lefts, rights, output| {
                    lefts.for_each_time(|time, batches| {
                        let mut session = output.session(&time);
                        for (key, left) in batches.flat_map(|batch| batch.drain(..)) {
                            match waiting.entry(key) {
                                Entry::Occupied(mut entry) => match entry.get().1 {
                                    Some(right) => {
                                        entry.remove();
                                        session.give((key, left, right));
                                    }
                                    None => entry.get_mut().0 = Some(left),
                                },
                                Entry::Vacant(entry) => drop(entry.insert((Some(left), None))),
                            }
                        }
                    });
                    rights.for_each_time(|time, batches| {
                        let mut session = output.session(&time);
                        for (key, right) in batches.flat_map(|batch| batch.drain(..)) {
                            match waiting.entry(key) {
                                Entry::Occupied(mut entry) => match entry.get().0 {
                                    Some(left) => {
                                        entry.remove();
                                        session.give((key, left, right));
                                    }
                                    None => entry.get_mut().1 = Some(right),
                                },
                                Entry::Vacant(entry) => drop(entry.insert((None, Some(right)))),
                            }
                        }
                    });
                }
            })
            .container::<Vec<(u64, u64, u64)>>()
            .sink(Pipeline, "Sum", move |(input, _)| {
                let mut tally = tally.borrow_mut();
                input.for_each_time(|_, batches| {
                    for (key, left, right) in batches.flat_map(|batch| batch.drain(..)) {
                        tally.add(pairs::seen(key, left, right));
                    }
                });
            });
    })
}

/// Runs a dataflow on `workers` threads of this process and adds up what they have tallied.
pub(crate) fn execute<C: Check>(
    workers: usize,
    build: impl Fn(Scope<'_, Time>, Tally<C>) + Send + Sync + 'static,
) -> Result<C, String> {
    let communication = match workers {
        1 => Communication::Thread,
        _ => Communication::Process(workers),
    };
    let config = timely::Config {
        communication,
        worker: timely::WorkerConfig::default(),
    };
    let guards = timely::execute(config, move |worker| {
        let tally = Tally::<C>::default();
        worker.dataflow(|scope| build(scope, Rc::clone(&tally)));
        while worker.step_or_park(None) {}
        tally.take()
    })?;
    let mut total = C::default();
    for tally in guards.join() {
        total.merge(tally?);
    }
    Ok(total)
}

/// A source of `batch` items each time that it has its turn, all of them at the first time.
fn feed<'scope, D: 'static>(
    scope: Scope<'scope, Time>,
    batch: usize,
    items: impl Iterator<Item = D> + 'static,
) -> StreamVec<'scope, Time, D> {
    source(scope, "Feed", |capability, info| {
        let turn = scope.activator_for(info.address);
        let mut rest = Some((capability, items));
        move |output| {
            let Some((capability, items)) = &mut rest else {
                return;
            };
            let mut session = output.session(capability);
            let mut given = 0;
            for item in items.by_ref().take(batch) {
                session.give(item);
                given += 1;
            }
            drop(session);
            if given == batch {
                turn.activate();
            } else {
                rest = None;
            }
        }
    })
}

/// Holds on to the capability to put something out until the input is at its end.
struct AtEnd(Option<Capability<Time>>);

impl AtEnd {
    fn new(capability: Capability<Time>) -> Self {
        AtEnd(Some(capability))
    }

    /// The capability, the first time that the input `ended`.
    fn reached(&mut self, ended: bool) -> Option<Capability<Time>> {
        if ended { self.0.take() } else { None }
    }
}
