//! The end of input, as a key with a time of its own sees it: rows of the conformance table by their tags.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use proptest::prelude::*;

use super::head::WindowHead;
use super::key::{Keeper, LiveKey};
use super::queue::Waiters;
use super::{Event, Options, PerWindow, Queue, Slices, WindowEngine};
use crate::key::Key;
use crate::kit::bench::{Bench, Downstream, Upstream, run};
use crate::kit::logic::{Emit, Keep};
use crate::kit::{EventMark, Head};
use crate::state::{self, Cell};
use crate::windowing::clock::{EventClock, KeyMark, SystemClock, Timing, bound};
use crate::windowing::logic::{Collect, Count};
use crate::windowing::time::Time;
use crate::windowing::window::Label;
use crate::windowing::windower::{
    CountWindower, SessionWindower, SlidingWindower, WindowList, Windows,
};
use crate::windowing::{Firing, Micros, WindowId};

const SECOND: Time = 1_000_000;

type Sessions = PerWindow<SessionWindower, Count>;

/// One key, whose session is over at the end of input and not before: its gap is the longest.
struct OneKey<C: Timing<Time>> {
    keeper: Keeper<Time, C, Sessions, ()>,
    key: LiveKey<C::Mark, WindowList<u64>, ()>,
    now: Time,
    out: Emit<Event<u64, Time>>,
}

fn sessions() -> Sessions {
    PerWindow {
        windower: SessionWindower::new(TimeDelta::MAX),
        fold: Count,
        lateness: 0,
        fires_every: None,
        empty: 0,
        emits_metadata: false,
    }
}

impl<C: Timing<Time>> OneKey<C> {
    fn new(clock: C) -> Self {
        let options = Options {
            lateness: 0,
            held_back: Some(0),
            early: None,
            ordered: false,
            keep_open: false,
        };
        let keeper = Keeper::new(Arc::new(clock), sessions(), options);
        Self {
            key: keeper.new_key(),
            keeper,
            now: 0,
            out: Emit::new(),
        }
    }

    fn now(&mut self, second: i64) {
        self.now = second * SECOND;
    }

    fn item(&mut self, second: i64) -> Keep {
        let value = second * SECOND;
        let time = self.keeper.clock.time(&value, self.now);
        let (key, out) = (&mut self.key, &mut self.out);
        self.keeper.take(key, (time, value), self.now, out).keep
    }

    fn end(&mut self) -> Keep {
        self.keeper.end(&mut self.key, self.now, &mut self.out).keep
    }

    /// The windows that were closed, with their values; and how many values were late.
    fn reported(&mut self) -> (Vec<(WindowId, u64)>, usize) {
        let mut reported = (Vec::new(), 0);
        for event in self.out.drain() {
            match event {
                Event::Down(label, count) => reported.0.push((label.id, count)),
                Event::Late(..) => reported.1 += 1,
                Event::Meta(..) => {}
            }
        }
        reported
    }

    fn watermark(&self) -> Time {
        self.keeper.status(&self.key, self.now).1
    }
}

#[test]
fn k08_the_end_is_behind_all_times_and_the_watermark_stays_where_it_was() {
    let at = |micros: &Time| Micros(*micros);
    let mut key = OneKey::new(EventClock::new(at, TimeDelta::seconds(5)));
    assert_eq!(key.item(7), Keep::Yes);
    assert_eq!(key.reported(), (vec![], 0));
    assert_eq!(key.end(), Keep::Yes);
    assert_eq!(key.reported(), (vec![(WindowId(0), 1)], 0));
    assert_eq!(key.watermark(), 2 * SECOND);
    key.now(2);
    assert_eq!(key.end(), Keep::Yes);
    assert_eq!(key.reported(), (vec![], 0), "it was reported already");
    assert_eq!(key.watermark(), 4 * SECOND);
    // What comes in another run goes by it.
    assert_eq!(key.item(3), Keep::Yes);
    assert_eq!(key.item(4), Keep::Yes);
    assert_eq!(key.end(), Keep::Yes);
    assert_eq!(key.reported(), (vec![(WindowId(1), 1)], 1));
}

#[test]
fn k13_so_it_is_with_the_systems_time() {
    let mut key = OneKey::new(SystemClock::new());
    key.now(100);
    assert_eq!(key.item(0), Keep::Yes);
    assert_eq!(key.end(), Keep::Yes);
    assert_eq!(key.reported(), (vec![(WindowId(0), 1)], 0));
    key.now(102);
    assert_eq!(key.end(), Keep::Yes);
    assert_eq!(key.reported(), (vec![], 0));
    assert_eq!(key.watermark(), 102 * SECOND);
}

/// A value of a key: its time, and its number.
type Value = (Time, u32);

/// What happens to a key.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// A value comes, so long after what was before.
    Value(Time, i64),
    /// The input ends, and the next run begins so much later.
    End(i64),
    /// The run is stopped, and resumed so much later.
    Stop(i64),
    /// So much time passes, and the key is looked at if it is due.
    Wait(i64),
}

fn scripts() -> impl Strategy<Value = Vec<Next>> {
    let after = prop::sample::select(vec![0_i64, 0, 1, 4, 30]);
    let next = (0_u8..10, -9_i64..25, after);
    prop::collection::vec(next, 1..60).prop_map(|all| {
        let mut now = 0;
        let next = |(what, step, after): (u8, i64, i64)| match what {
            0 => Next::End(after),
            1 => Next::Stop(after),
            2 => Next::Wait(after),
            _ => {
                // Times move on, with disorder.
                now += step / 4;
                Next::Value(now + step, after)
            }
        };
        all.into_iter().map(next).collect()
    })
}

/// For each value the windows that have reported it at their ends or later, and whether it was late.
type Found = BTreeMap<u32, (BTreeSet<i64>, bool)>;

/// Who keeps the watermark.
#[derive(Clone, Copy, Debug)]
enum Whose {
    Keys,
    All,
}

/// Runs a script. With `once`, no window may tell a value twice.
fn found<B, Q>(
    (script, whose): (&[Next], Whose),
    wait: i64,
    options: Options,
    engine: B,
    once: bool,
) -> Found
where
    B: WindowEngine<Value, Out = Vec<Value>>,
    Q: Waiters<Value>,
{
    let at: fn(&Value) -> Micros = |value| Micros(value.0);
    let (span, forget) = (TimeDelta::microseconds(wait), TimeDelta::microseconds(25));
    match whose {
        Whose::Keys => {
            let clock = EventClock::new(at, span).forget_after(forget);
            let keeper = Keeper::<Value, _, B, Q>::new(Arc::new(clock), engine, options);
            found_by(&keeper, script, wait, once)
        }
        Whose::All => {
            let clock = EventClock::per_partition(at, span).forget_after(forget);
            let keeper = Keeper::<Value, _, B, Q>::new(Arc::new(clock), engine, options);
            found_by(&keeper, script, wait, once)
        }
    }
}

fn found_by<C, B, Q>(
    keeper: &Keeper<Value, C, B, Q>,
    script: &[Next],
    wait: i64,
    once: bool,
) -> Found
where
    C: Timing<Value>,
    B: WindowEngine<Value, Out = Vec<Value>>,
    Q: Waiters<Value>,
{
    let (mut key, mut out) = (None, Emit::new());
    // The time of the step: of the system, or the watermark, which the newest value moves.
    let (mut now, mut found) = (0, Found::new());
    for (next, number) in script.iter().zip(0..) {
        let (Next::Value(_, after) | Next::End(after) | Next::Stop(after) | Next::Wait(after)) =
            *next;
        if C::Mark::OF_KEY {
            now += after;
        } else if let Next::Value(time, _) = *next {
            // It moves before the value comes, and what is due is done.
            now = bound(time, wait).map_or(now, |bound| now.max(bound));
            if let Some(live) = &mut key
                && keeper.due(live) <= now
                && keeper.look_at(live, now, &mut out).keep == Keep::No
            {
                key = None;
            }
        }
        let keep = match (next, &mut key) {
            (Next::Value(time, _), key) => {
                found.insert(number, (BTreeSet::new(), false));
                let value = (*time, number);
                if *time < keeper.late_for_all_before(now) {
                    keeper.engine.late(*time, value, &mut out);
                    Keep::Yes
                } else {
                    let live = key.get_or_insert_with(|| keeper.new_key());
                    keeper.take(live, (*time, value), now, &mut out).keep
                }
            }
            (_, None) => Keep::No,
            (Next::End(_), Some(live)) => keeper.end(live, now, &mut out).keep,
            (Next::Stop(_), Some(live)) => {
                let mut bytes = Vec::new();
                state::seal(live.saved(), &mut bytes).unwrap();
                *live = LiveKey::restored(state::open(&bytes).unwrap());
                keeper.restored(live, now, || now);
                Keep::Yes
            }
            (Next::Wait(_), Some(live)) if keeper.due(live) <= now => {
                keeper.look_at(live, now, &mut out).keep
            }
            (Next::Wait(_), Some(_)) => Keep::Yes,
        };
        if keep == Keep::No {
            key = None;
        }
        for event in out.drain() {
            match event {
                Event::Down(label, _) if label.firing == Firing::Early => {}
                Event::Meta(..) => {}
                Event::Down(Label { id, .. }, values) => {
                    for (_, number) in values {
                        let is_new = found.entry(number).or_default().0.insert(id.0);
                        assert!(is_new || !once, "window {id} tells {number} twice");
                    }
                }
                Event::Late(_, _, (_, number)) => found.entry(number).or_default().1 = true,
            }
        }
    }
    // The last end of input closes all.
    if let Some(live) = &mut key {
        let _ = keeper.end(live, now, &mut out);
        for event in out.drain() {
            if let Event::Down(Label { id, .. }, values) = event {
                for (_, number) in values {
                    found.entry(number).or_default().0.insert(id.0);
                }
            }
        }
    }
    found
}

fn whose() -> impl Strategy<Value = Whose> {
    prop::sample::select(vec![Whose::Keys, Whose::All])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A value is late or in all of its windows, over any number of ends and resumes; and whether windows are
    /// kept one by one or by slices makes no difference.
    #[test]
    fn values_are_late_or_in_all_of_their_windows(
        (script, whose) in (scripts(), whose()),
        (a, b, align) in (1_i64..30, 1_i64..30, -20_i64..20),
        (wait, lateness) in (0_i64..20, prop::sample::select(vec![0_i64, 0, 5, 25])),
        (early, waits) in (prop::sample::select(vec![None, Some(3_i64)]), any::<bool>()),
        fires_every in prop::sample::select(vec![None, Some(1), Some(3)]),
        empty in prop::sample::select(vec![0_u32, 0, 4]),
    ) {
        let micros = TimeDelta::microseconds;
        let align_to = DateTime::UNIX_EPOCH + micros(align);
        let (length, offset) = (a.max(b), a.min(b));
        let windower = SlidingWindower::new(micros(length), micros(offset), align_to);
        let options = Options { lateness, held_back: Some(lateness), early, ordered: waits, keep_open: false };
        let each = || PerWindow { windower, fold: Collect::<Vec<Value>>::new(), lateness, fires_every, empty, emits_metadata: true };
        let once = lateness == 0;
        let of_each = found::<_, Queue<Value>>((&script, whose), wait, options, each(), once);
        for (number, (ids, is_late)) in &of_each {
            let Next::Value(time, _) = script[*number as usize] else { unreachable!("it is a value's") };
            let expected: BTreeSet<i64> = match is_late {
                true => BTreeSet::new(),
                false => windower.ids(time).collect(),
            };
            prop_assert_eq!(ids, &expected, "value {} of {}", number, time);
        }
        // A key with empty windows remembers its watermark for longer.
        if let Some(slicing) = windower.slicing().filter(|_| empty == 0) {
            let slices = Slices { slicing, fold: Collect::<Vec<Value>>::new(), lateness, fires_always: fires_every == Some(1), emits_metadata: true };
            let of_slices = found::<_, Queue<Value>>((&script, whose), wait, options, slices, once);
            prop_assert_eq!(of_slices, of_each);
        }
    }

    /// Sessions and windows of a number of values: each value is in one of them at least, or late.
    #[test]
    fn values_are_late_or_in_a_window(
        (script, whose) in (scripts(), whose()),
        (gap, values, every) in (0_i64..20, 1_u64..6, 1_u64..6),
        (wait, lateness) in (0_i64..20, prop::sample::select(vec![0_i64, 0, 5, 25])),
        waits in any::<bool>(),
        fires_every in prop::sample::select(vec![None, Some(1), Some(3)]),
    ) {
        let options = Options { lateness, held_back: Some(lateness), early: None, ordered: waits, keep_open: false };
        let fold = Collect::<Vec<Value>>::new;
        let windower = SessionWindower::new(TimeDelta::microseconds(gap));
        let sessions = PerWindow { windower, fold: fold(), lateness, fires_every, empty: 0, emits_metadata: true };
        let of_sessions = found::<_, Queue<Value>>((&script, whose), wait, options, sessions, lateness == 0);
        let windower = CountWindower::new(values).every(every.min(values));
        let counts = PerWindow { windower, fold: fold(), lateness, fires_every, empty: 0, emits_metadata: true };
        let of_counts = found::<_, Queue<Value>>((&script, whose), wait, options, counts, lateness == 0);
        for (number, (ids, is_late)) in of_sessions.into_iter().chain(of_counts) {
            prop_assert_eq!(ids.is_empty(), is_late, "value {}", number);
        }
    }
}

/// A value that an earlier release kept in a slice of windows that an end of input had closed.
#[test]
fn a_slice_that_was_left_behind_is_told() {
    let micros = TimeDelta::microseconds;
    let windower = SlidingWindower::new(micros(10), micros(5), DateTime::UNIX_EPOCH);
    let slicing = windower.slicing().unwrap();
    let slices = || Slices {
        slicing,
        fold: Count,
        lateness: 0,
        fires_always: false,
        emits_metadata: false,
    };
    let at: fn(&Time) -> Micros = |time| Micros(*time);
    let clock = EventClock::new(at, micros(0));
    let options = Options {
        lateness: 0,
        held_back: Some(0),
        early: None,
        ordered: false,
        keep_open: false,
    };
    let keeper = Keeper::<Time, _, _, ()>::new(Arc::new(clock), slices(), options);
    let mut out = Emit::new();
    let mut key = keeper.new_key();
    assert_eq!(keeper.take(&mut key, (16, 16), 0, &mut out).keep, Keep::Yes);
    // So it was saved: windows 2 and 3, of values at 15, had been closed.
    key.windows.kept.close_all_before(4);
    keeper.restored(&mut key, 0, || 0);
    assert_eq!(keeper.take(&mut key, (40, 40), 0, &mut out).keep, Keep::Yes);
    let reported: Vec<_> = out.drain().collect();
    let reported = reported.into_iter().map(|event| match event {
        Event::Down(label, count) => (label.id.0, count),
        _ => panic!("nothing else is reported"),
    });
    assert_eq!(reported.collect::<Vec<_>>(), [(2, 1), (3, 1)]);
}

/// Each value of a key that waits has the key looked at, and listed anew afterwards.
#[test]
fn a_key_has_no_more_than_a_few_entries() {
    let bench = Bench::new(1, TimeDelta::seconds(10), 1 << 30);
    let (upstream, out) = (
        Upstream::new(&bench),
        Downstream::<(char, Event<u64, Time>)>::new(),
    );
    let at: fn(&Time) -> Micros = |time| Micros(*time);
    let clock = EventClock::per_partition(at, TimeDelta::zero());
    let options = Options {
        lateness: 0,
        held_back: Some(0),
        early: None,
        ordered: true,
        keep_open: false,
    };
    let hour = TimeDelta::hours(1);
    let hours = PerWindow {
        windower: SlidingWindower::new(hour, hour, DateTime::UNIX_EPOCH),
        fold: Count,
        lateness: 0,
        fires_every: None,
        empty: 0,
        emits_metadata: false,
    };
    let head = WindowHead::<char, Time, _, _, Queue<Time>>::new(
        &bench.build_cx(),
        Arc::new(clock),
        (hours, options),
        out.outputs().next(0),
    );
    let mut head = Head::new(&bench.build_cx(), vec![upstream.input()], head);
    let (mut cx, ..) = bench.cx();
    for time in 0..1000 {
        upstream.send_marked(1, 0, vec![('k'.stable_hash(), 'k', time)], EventMark(time));
        run(&mut head, Some(1), &mut cx);
        // Those that are stale are cleaned up when they are too many.
        assert!(head.logic().entries() <= 66);
    }
}
