//! The queries.

use bytewax::chrono::{DateTime, TimeDelta, Utc};
use bytewax::operators::JoinInsert;
use bytewax::prelude::*;
use bytewax::windowing::{
    Inner, Kept, Millis, SlidingWindower, StreamClock, TumblingWindower, Windowed,
};

use crate::{Auction, Bid, Event, Person};

fn bids(events: Stream<Event>) -> Stream<Bid> {
    events.filter_map(|event| match event {
        Event::Bid(bid) => Some(bid),
        _ => None,
    })
}

fn people(events: Stream<Event>) -> Stream<Person> {
    events.filter_map(|event| match event {
        Event::Person(person) => Some(person),
        _ => None,
    })
}

fn auctions(events: Stream<Event>) -> Stream<Auction> {
    events.filter_map(|event| match event {
        Event::Auction(auction) => Some(auction),
        _ => None,
    })
}

fn tumbling(seconds: i64) -> TumblingWindower {
    TumblingWindower::new(TimeDelta::seconds(seconds), DateTime::UNIX_EPOCH)
}

/// The bids as they are.
pub fn q0(events: Stream<Event>) -> Stream<String> {
    bids(events).map(|bid| format!("{},{},{},{}", bid.auction, bid.bidder, bid.price, bid.at))
}

/// The prices of bids in euros.
pub fn q1(events: Stream<Event>) -> Stream<String> {
    bids(events).map(|bid| {
        let cents = bid.price * 908 / 1000;
        format!("{},{},{cents},{}", bid.auction, bid.bidder, bid.at)
    })
}

/// The bids for some auctions.
pub fn q2(events: Stream<Event>) -> Stream<String> {
    let some = bids(events).filter(|bid| bid.auction % 123 == 0);
    some.map(|bid| format!("{},{}", bid.auction, bid.price))
}

/// Who sells things of one category in three states: a join that keeps both sides.
pub fn q3(events: Stream<Event>) -> Stream<String> {
    let sold = auctions(events.clone()).filter(|auction| auction.category == 10);
    let sold = sold.key_on(|auction| auction.seller);
    let near = people(events).filter(|person| ["or", "id", "ca"].contains(&person.state.as_str()));
    let near = near.key_on(|person| person.id);
    let rows = sold
        .join_rows(near, Inner, Kept::Unbounded)
        .named("sellers");
    rows.map(|(_, (auction, person))| {
        format!(
            "{},{},{},{}",
            person.name, person.city, person.state, auction.id
        )
    })
}

/// An auction with the best bid so far.
#[stateful]
#[derive(Default)]
struct Best {
    auction: Option<Auction>,
    price: Option<u64>,
}

#[stateful]
impl Best {
    fn on_item(&mut self, event: Event, _out: &mut Emit<(u64, u64)>) -> Keep {
        match event {
            Event::Auction(auction) => self.auction = Some(auction),
            Event::Bid(bid) if self.auction.is_some() => {
                self.price = Some(self.price.unwrap_or_default().max(bid.price));
            }
            // A bid for an auction that has not begun, or has ended.
            _ => return self.keep(),
        }
        Keep::Yes
    }

    fn notify_at(&self) -> Option<DateTime<Utc>> {
        let expires = self.auction.as_ref()?.expires;
        DateTime::from_timestamp_millis(expires)
    }

    fn on_notify(&mut self, out: &mut Emit<(u64, u64)>) -> Keep {
        if let (Some(auction), Some(price)) = (&self.auction, self.price) {
            out.emit((auction.category, price));
        }
        Keep::No
    }

    /// All auctions end.
    fn on_eof(&mut self, out: &mut Emit<(u64, u64)>) -> Keep {
        self.on_notify(out)
    }
}

impl Best {
    fn keep(&self) -> Keep {
        match self.auction {
            Some(_) => Keep::Yes,
            None => Keep::No,
        }
    }
}

/// The mean of the best bids of each category: auctions end at a time in their data.
pub fn q4(events: Stream<Event>) -> Stream<String> {
    let of_auctions = events.filter_map(|event| match &event {
        Event::Auction(auction) => Some((auction.id, event)),
        Event::Bid(bid) => Some((bid.auction, event)),
        Event::Person(_) => None,
    });
    let best = of_auctions.stateful_by_time(StreamClock::new(Event::at), Best::default);
    let best = best.named("best").down.key_rm();
    let sums = best.fold_final(
        || (0_u64, 0_u64),
        |(sum, count), price| {
            *sum += price;
            *count += 1;
        },
    );
    let sums = sums.named("sums");
    sums.map(|(category, (sum, count))| format!("{category},{}", sum / count))
}

/// The auctions with the most bids in each ten seconds, every two seconds: windows of windows.
pub fn q5(events: Stream<Event>) -> Stream<String> {
    let by_auction = bids(events).key_on(|bid| bid.auction);
    let ten = SlidingWindower::new(
        TimeDelta::seconds(10),
        TimeDelta::seconds(2),
        DateTime::UNIX_EPOCH,
    );
    let clock = StreamClock::new(|bid: &Bid| Millis(bid.at));
    let counts = by_auction
        .count_window(clock, ten.with_times())
        .named("counts")
        .down;
    let counts = counts.map(|(auction, (_, count))| ((), (auction, count)));
    let clock = StreamClock::new(|(_, count): &(u64, Windowed<u64>)| count.time());
    let hottest = counts.fold_window(
        clock,
        tumbling(2).with_times(),
        || (0, Vec::new()),
        hotter,
        |best: &mut (u64, Vec<u64>), other: (u64, Vec<u64>)| {
            if other.0 > best.0 {
                *best = other;
            } else if other.0 == best.0 {
                best.1.extend(other.1);
            }
        },
    );
    hottest.named("hottest").down.map(|(_, (_, hottest))| {
        let (count, mut auctions) = hottest.value;
        auctions.sort_unstable();
        let end = hottest.end.timestamp();
        format!("{end},{count},{auctions:?}")
    })
}

/// Keeps the auctions with the most bids.
fn hotter(best: &mut (u64, Vec<u64>), (auction, count): (u64, Windowed<u64>)) {
    if count.value > best.0 {
        *best = (count.value, vec![auction]);
    } else if count.value == best.0 {
        best.1.push(auction);
    }
}

/// The highest bid of each ten seconds: first of each auction, then of all.
pub fn q7(events: Stream<Event>) -> Stream<String> {
    let rank = |bid: &Bid| (bid.price, -bid.at, bid.auction, bid.bidder);
    let by_auction = bids(events).key_on(|bid| bid.auction);
    let clock = StreamClock::new(|bid: &Bid| Millis(bid.at));
    let highest = by_auction.max_window(clock, tumbling(10).with_times(), rank);
    let highest = highest
        .named("of_auctions")
        .down
        .map(|(_, (_, bid))| ((), bid));
    let clock = StreamClock::new(|bid: &Windowed<Bid>| bid.time());
    let of_all = highest.max_window(clock, tumbling(10), move |bid| rank(&bid.value));
    of_all
        .named("of_all")
        .down
        .map(|(_, (window, Windowed { value: bid, .. }))| {
            format!(
                "{},{},{},{}",
                window.0 * 10,
                bid.price,
                bid.auction,
                bid.bidder
            )
        })
}

/// People who register and open an auction within the same ten seconds.
pub fn q8(events: Stream<Event>) -> Stream<String> {
    let people = people(events.clone()).key_on(|person| person.id);
    let auctions = auctions(events).key_on(|auction| auction.seller);
    let clock = StreamClock::of_sides((
        |person: &Person| Millis(person.at),
        |auction: &Auction| Millis(auction.at),
    ));
    let rows = people.join_window(auctions, clock, tumbling(10), JoinInsert::First);
    rows.named("new").down.filter_map(|(id, (window, row))| {
        let (Some(person), Some(_)) = row else {
            return None;
        };
        Some(format!("{},{id},{}", window.0 * 10, person.name))
    })
}
