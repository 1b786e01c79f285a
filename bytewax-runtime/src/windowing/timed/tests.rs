//! States that expire, and logics that wait for times, whatever the watermark does between two values.

use std::sync::Arc;

use bytewax_macros::stateful;
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::{any, prop, prop_assert_eq, proptest};

use super::ByTime;
use super::stateful::Own;
use crate::kit::logic::{Emit, Keep};
use crate::operators::StatefulLogic;
use crate::windowing::engine::{Event, WindowEngine};
use crate::windowing::time::{END, Time, date};

/// Emits the times of its calls, and waits for times as its values say.
#[stateful(crate = "crate")]
#[derive(Default)]
struct Calls {
    due: Option<DateTime<Utc>>,
    again: u8,
}

impl StatefulLogic for Calls {
    type In = (i64, u8);
    type Out = (char, i64);

    fn on_item(&mut self, (by, again): (i64, u8), out: &mut Emit<(char, i64)>) -> Keep {
        out.emit(('i', out.now().timestamp_micros()));
        self.again = again;
        self.due = match by {
            0 => None,
            by => Some(out.now() + TimeDelta::microseconds(by)),
        };
        if again == 9 { Keep::No } else { Keep::Yes }
    }

    fn on_notify(&mut self, out: &mut Emit<(char, i64)>) -> Keep {
        out.emit(('n', out.now().timestamp_micros()));
        // Left as it is, it does not come again.
        if let Some(left) = self.again.checked_sub(1) {
            self.again = left;
            self.due = Some(out.now() + TimeDelta::microseconds(2));
        }
        Keep::Yes
    }

    fn notify_at(&self) -> Option<DateTime<Utc>> {
        self.due
    }
}

type Calling = ByTime<Own<Calls, fn() -> Calls>>;

/// Calls of a logic whose values come in order, with the watermark at these times in between.
fn calls(values: &[(Time, (i64, u8))], looks: &[bool], until: Time) -> Vec<(char, i64)> {
    let engine: Calling = ByTime(Own::new(Arc::new(Calls::default as fn() -> Calls)));
    let (mut kept, mut out) = (None, Emit::new());
    let mut all = Vec::new();
    for (place, (at, value)) in values.iter().enumerate() {
        if looks[place % looks.len()] {
            engine.close(&mut kept, *at, &mut out);
            assert!(engine.next(&kept) > *at, "what was due is done");
        }
        let next = engine.add(&mut kept, *at, *value, *at, &mut out);
        assert!(kept.is_some() || next == Time::MIN);
    }
    engine.close(&mut kept, until, &mut out);
    for event in out.drain() {
        match event {
            Event::Down(_, call) => all.push(call),
            Event::Late(..) | Event::Meta(..) => unreachable!("nothing is late"),
        }
    }
    all
}

/// The same as a loop over all times.
fn model(values: &[(Time, (i64, u8))], until: Time) -> Vec<(char, i64)> {
    let mut all = Vec::new();
    // What is waited for, how often more, and the last time of a call.
    let mut state: Option<(Option<i64>, u8, Option<i64>)> = None;
    let wake = |state: &mut Option<(Option<i64>, u8, Option<i64>)>, until, all: &mut Vec<_>| {
        while let Some((Some(due), again, told)) = *state {
            if due > until || told == Some(due) {
                return;
            }
            all.push(('n', due));
            let next = if again > 0 { due + 2 } else { due };
            *state = Some((Some(next), again.saturating_sub(1), Some(due)));
        }
    };
    for (at, (by, again)) in values {
        wake(&mut state, *at, &mut all);
        all.push(('i', *at));
        let told = state.and_then(|state| state.2);
        let due = (*by != 0).then(|| at + by);
        state = (*again != 9).then_some((due, *again, told));
    }
    wake(&mut state, until, &mut all);
    all
}

proptest! {
    #[test]
    fn a_logic_is_called_in_the_order_of_times(
        steps in prop::collection::vec((0..6_i64, -4..9_i64, 0..10_u8), 0..30),
        looks in prop::collection::vec(any::<bool>(), 1..8),
    ) {
        let mut now = 0;
        let values: Vec<_> = steps.into_iter().map(|(step, by, again)| {
            now += step;
            (now, (by, if again > 2 && again < 9 { 0 } else { again }))
        }).collect();
        prop_assert_eq!(calls(&values, &looks, now + 50), model(&values, now + 50));
    }
}

#[test]
fn a_time_between_two_microseconds_comes_with_the_second() {
    #[stateful(crate = "crate")]
    #[derive(Default)]
    struct Fine(bool);

    impl StatefulLogic for Fine {
        type In = ();
        type Out = i64;

        fn on_item(&mut self, (): (), _: &mut Emit<i64>) -> Keep {
            self.0 = true;
            Keep::Yes
        }

        fn notify_at(&self) -> Option<DateTime<Utc>> {
            self.0.then(|| date(7) + TimeDelta::nanoseconds(1))
        }

        fn on_notify(&mut self, out: &mut Emit<i64>) -> Keep {
            out.emit(out.now().timestamp_micros());
            Keep::Yes
        }
    }

    let engine = ByTime(Own::new(Arc::new(Fine::default as fn() -> Fine)));
    let (mut kept, mut out) = (None, Emit::new());
    assert_eq!(engine.add(&mut kept, 3, (), 3, &mut out), 8);
    engine.close(&mut kept, 7, &mut out);
    assert!(!out.has_any());
    engine.close(&mut kept, 8, &mut out);
    let told = out.drain().next();
    assert!(matches!(told, Some(Event::Down(_, 8))));
    assert_eq!(engine.next(&kept), END, "it is not told again");
}
