//! Sums each cart until checkout, and reports carts that are idle for an hour.
use bytewax::chrono::{DateTime, TimeDelta, Utc};
use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Event {
    Item { name: String, cents: u64 },
    Checkout,
}

/// The state of each user until the checkout.
#[stateful]
#[derive(Clone, Debug, Default)]
struct Cart {
    cents: u64,
    abandoned_at: Option<DateTime<Utc>>,
}

#[stateful]
impl Cart {
    fn on_item(&mut self, event: Event, out: &mut Emit<String>) -> Keep {
        match event {
            Event::Item { cents, .. } => {
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

fn checkout() -> Dataflow {
    let item = |name: &str, cents| Event::Item {
        name: name.to_owned(),
        cents,
    };
    let events = vec![
        (1_u64, item("pen", 150)),
        (2, item("ink", 900)),
        (1, item("pad", 350)),
        (1, Event::Checkout),
    ];
    let names = vec![(1_u64, "ada".to_owned()), (2, "bob".to_owned())];
    dataflow!("checkout", |flow| {
        let events = flow
            .input(TestingSource::new(events))
            .key_on(|event| event.0)
            .map_value(|event| event.1);
        let carts = events.stateful::<Cart>();
        let names = flow
            .input(TestingSource::new(names))
            .key_on(|name| name.0)
            .map_value(|name| name.1);
        let named = carts.join(names);
        named
            .map(|(user, (cart, name))| format!("{user} {name}: {cart}"))
            .output(StdOutSink::new());
    })
}

fn main() -> bytewax::ExitCode {
    bytewax::run(checkout())
}

// Prints:   1 ada: checked out 500 cents
