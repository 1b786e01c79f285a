//! The end of input, as a key with a time of its own sees it: rows of the conformance table by their tags.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};

use super::per_key::{KeyWindows, PerKey};
use super::{Each, Event, Options};
use crate::kit::logic::Emit;
use crate::kit::logic::{ItemLogic, Keep, KeyLogic};
use crate::windowing::clock::{EventClock, KeyClock, SystemClock};
use crate::windowing::logic::Count;
use crate::windowing::time::Time;
use crate::windowing::windower::{Line, SessionWindower};
use crate::windowing::{Micros, WindowId};

const SECOND: Time = 1_000_000;

type Sessions = Each<SessionWindower, Count>;

/// One key, whose session is over at the end of input and not before: its gap is the longest.
struct OneKey<C: KeyClock<Time>> {
    logic: PerKey<Time, C, Sessions, ()>,
    key: KeyWindows<Line<u64>, ()>,
    out: Emit<Event<u64, Time>>,
}

fn sessions() -> Sessions {
    Each {
        windower: SessionWindower::new(TimeDelta::MAX),
        fold: Count,
        lateness: 0,
        tells: false,
    }
}

impl<C: KeyClock<Time>> OneKey<C> {
    fn new(clock: C) -> Self {
        let options = Options {
            lateness: 0,
            early: None,
            ordered: false,
        };
        let logic = PerKey::new(Arc::new(clock), sessions(), options);
        Self {
            key: KeyLogic::<char>::new_state(&logic, &'k'),
            logic,
            out: Emit::new(),
        }
    }

    fn now(&mut self, second: i64) {
        let second = TimeDelta::seconds(second);
        self.out.set_now(DateTime::UNIX_EPOCH + second);
    }

    fn item(&mut self, second: i64) -> Keep {
        let logic: &dyn ItemLogic<char, Time, State = _, Out = _> = &self.logic;
        logic.on_item(&mut self.key, second * SECOND, &mut self.out)
    }

    fn end(&mut self) -> Keep {
        KeyLogic::<char>::on_eof(&self.logic, &mut self.key, &mut self.out)
    }

    /// The windows that were closed, with their values; and how many values were late.
    fn told(&mut self) -> (Vec<(WindowId, u64)>, usize) {
        let mut told = (Vec::new(), 0);
        for event in self.out.drain() {
            match event {
                Event::Down(id, _, count) => told.0.push((id, count)),
                Event::Late(..) => told.1 += 1,
                Event::Meta(..) => {}
            }
        }
        told
    }

    fn watermark(&self) -> Time {
        self.key.status::<Time, _>(&sessions()).1
    }
}

#[test]
fn k08_the_end_is_behind_all_times_and_the_watermark_stays_where_it_was() {
    let at = |micros: &Time| Micros(*micros);
    let mut key = OneKey::new(EventClock::new(at, TimeDelta::seconds(5)));
    assert_eq!(key.item(7), Keep::Yes);
    assert_eq!(key.told(), (vec![], 0));
    assert_eq!(key.end(), Keep::Yes);
    assert_eq!(key.told(), (vec![(WindowId(0), 1)], 0));
    assert_eq!(key.watermark(), 2 * SECOND);
    key.now(2);
    assert_eq!(key.end(), Keep::Yes);
    assert_eq!(key.told(), (vec![], 0), "it was told already");
    assert_eq!(key.watermark(), 4 * SECOND);
    // What comes in another run goes by it.
    assert_eq!(key.item(3), Keep::Yes);
    assert_eq!(key.item(4), Keep::Yes);
    assert_eq!(key.end(), Keep::Yes);
    assert_eq!(key.told(), (vec![(WindowId(1), 1)], 1));
}

#[test]
fn k13_so_it_is_with_the_systems_time() {
    let mut key = OneKey::new(SystemClock::new());
    key.now(100);
    assert_eq!(key.item(0), Keep::Yes);
    assert_eq!(key.end(), Keep::Yes);
    assert_eq!(key.told(), (vec![(WindowId(0), 1)], 0));
    key.now(102);
    assert_eq!(key.end(), Keep::Yes);
    assert_eq!(key.told(), (vec![], 0));
    assert_eq!(key.watermark(), 102 * SECOND);
}
