//! The logic of the program `checkout`.

use bytewax_macros::stateful;
use bytewax_runtime::prelude::*;
use bytewax_runtime::testing::run_keyed;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::shared::by_hand::ByHand;

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Event {
    Item { cents: u64 },
    Checkout,
}

#[stateful(crate = "bytewax_runtime")]
#[derive(Clone, Debug, Default)]
struct Cart {
    cents: u64,
    abandoned_at: Option<DateTime<Utc>>,
}

impl StatefulLogic for Cart {
    type In = Event;
    type Out = String;

    fn on_item(&mut self, event: Event, out: &mut Emit<String>) -> Keep {
        match event {
            Event::Item { cents } => {
                self.cents += cents;
                self.abandoned_at = Some(out.now() + TimeDelta::hours(1));
                Keep::Yes
            }
            Event::Checkout => {
                out.emit(format!("checked out {} cents", self.cents));
                Keep::No
            }
        }
    }

    fn notify_at(&self) -> Option<DateTime<Utc>> {
        self.abandoned_at
    }

    fn on_notify(&mut self, out: &mut Emit<String>) -> Keep {
        out.emit(format!("abandoned {} cents", self.cents));
        Keep::No
    }
}

#[test]
fn carts_are_checked_out_or_abandoned() {
    let events = [
        (1_u64, Event::Item { cents: 150 }),
        (2, Event::Item { cents: 900 }),
        (1, Event::Item { cents: 350 }),
        (1, Event::Checkout),
    ];
    let out = run_keyed(events.clone(), |s| s.stateful::<Cart>().named("carts"));
    assert_eq!(out, [(1, "checked out 500 cents".to_owned())]);

    let run = ByHand::start(1, |s| s.stateful::<Cart>().named("carts"));
    run.give(events);
    assert_eq!(run.next(), (1, "checked out 500 cents".to_owned()));
    run.hand.advance(TimeDelta::hours(1));
    assert_eq!(run.next(), (2, "abandoned 900 cents".to_owned()));
    assert_eq!(run.end(), []);
}
