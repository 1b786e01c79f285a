//! Queries of auctions and what belongs to them.

use std::collections::VecDeque;

use bytewax::Exchange;
use bytewax::chrono::{DateTime, TimeDelta, Utc};
use bytewax::prelude::*;
use bytewax::state::State;
use bytewax::windowing::{Inner, Kept, Micros, Millis, StreamClock};

use super::{auctions, bids, people};
use crate::{Auction, Bid, Event};

/// Who sells things of one category in three states: a join that keeps both sides, of which it needs a few columns.
pub fn q3(events: Stream<Event>) -> Stream<String> {
    let events = events.branch(|event| matches!(event, Event::Person(_)));
    let sold = auctions(events.falses).filter(|auction| auction.category == 10);
    let sold = sold.map(|auction| (auction.seller, auction.id));
    let near =
        people(events.trues).filter(|person| ["or", "id", "ca"].contains(&person.state.as_str()));
    let near = near.map(|person| (person.id, (person.name, person.city, person.state)));
    let rows = sold
        .join_rows(near, Inner, Kept::Unbounded)
        .named("sellers");
    rows.map(|(_, (auction, (name, city, state)))| format!("{name},{city},{state},{auction}"))
}

/// What happens to an auction. `A` and `B` are what a query needs of the auction and of a bid.
#[stateful]
#[derive(Clone)]
enum Change<A, B> {
    Begins { at: i64, expires: i64, auction: A },
    Bid { at: i64, price: u64, bid: B },
}

impl<A, B> Change<A, B> {
    /// Its place among others: of those of the same millisecond, the auction begins before anybody bids.
    fn place(&self) -> Micros {
        Micros(match self {
            Self::Begins { at, .. } => at * 1000,
            Self::Bid { at, .. } => at * 1000 + 1,
        })
    }
}

/// An auction with its end, and its best bid so far with the price: the highest, and of equals the first.
#[stateful]
struct Best<A, B> {
    auction: Option<(i64, A)>,
    bid: Option<(u64, B)>,
}

#[stateful]
impl<A, B> Best<A, B>
where
    A: State + Exchange,
    B: State + Exchange,
{
    fn on_item(&mut self, change: Change<A, B>, _out: &mut Emit<(A, B)>) -> Keep {
        match change {
            Change::Begins {
                expires, auction, ..
            } => self.auction = Some((expires, auction)),
            Change::Bid { price, bid, .. } if self.auction.is_some() => {
                if self.bid.as_ref().is_none_or(|(best, _)| price > *best) {
                    self.bid = Some((price, bid));
                }
            }
            // A bid for an auction that has not begun, or has ended.
            Change::Bid { .. } => return Keep::No,
        }
        Keep::Yes
    }

    /// Behind the bids of the time at which the auction ends, whose place is one microsecond later.
    fn notify_at(&self) -> Option<DateTime<Utc>> {
        let (expires, _) = self.auction.as_ref()?;
        Some(DateTime::from_timestamp_millis(*expires)? + TimeDelta::microseconds(2))
    }

    fn on_notify(&mut self, out: &mut Emit<(A, B)>) -> Keep {
        if let (Some((_, auction)), Some((_, bid))) = (self.auction.take(), self.bid.take()) {
            out.emit((auction, bid));
        }
        Keep::No
    }

    /// All auctions end.
    fn on_eof(&mut self, out: &mut Emit<(A, B)>) -> Keep {
        self.on_notify(out)
    }
}

/// The auctions that were sold, each with the bid that won it, when it ends: auctions end at a time in their data.
fn sold<A, B>(events: Stream<Event>, auction: fn(Auction) -> A, bid: fn(Bid) -> B) -> Stream<(A, B)>
where
    A: State + Exchange + Clone,
    B: State + Exchange + Clone,
{
    let of_auctions = events.filter_map(move |event| match event {
        Event::Auction(it) => {
            let (id, at, expires) = (it.id, it.at, it.expires);
            let auction = auction(it);
            Some((
                id,
                Change::Begins {
                    at,
                    expires,
                    auction,
                },
            ))
        }
        Event::Bid(it) => {
            let (id, at, price) = (it.auction, it.at, it.price);
            let bid = bid(it);
            Some((id, Change::Bid { at, price, bid }))
        }
        Event::Person(_) => None,
    });
    let best = of_auctions.stateful_by_time(StreamClock::new(Change::place), || Best {
        auction: None,
        bid: None,
    });
    best.named("best").down.key_rm()
}

/// The mean of the best bids of each category, at the end.
pub fn q4(events: Stream<Event>) -> Stream<String> {
    let prices = sold(events, |auction| auction.category, |bid| bid.price);
    let sums = prices.fold_final(
        || (0_u64, 0_u64),
        |(sum, count), price| {
            *sum += price;
            *count += 1;
        },
    );
    let sums = sums.named("sums");
    sums.map(|(category, (sum, count))| format!("{category},{}", sum / count))
}

/// An auction that was sold: its end, its number, and its price.
type Sale = (i64, u64, u64);

/// The last sales of a seller.
#[stateful]
#[derive(Default)]
struct LastSales {
    /// Those of one time, which have no order yet.
    at_once: Vec<Sale>,
    last: VecDeque<u64>,
}

#[stateful]
impl LastSales {
    fn on_item(&mut self, sale: Sale, _out: &mut Emit<u64>) -> Keep {
        self.at_once.push(sale);
        Keep::Yes
    }

    /// Behind the sales of the same time.
    fn notify_at(&self) -> Option<DateTime<Utc>> {
        let (ended, ..) = self.at_once.first()?;
        Some(DateTime::from_timestamp_millis(*ended)? + TimeDelta::microseconds(1))
    }

    fn on_notify(&mut self, out: &mut Emit<u64>) -> Keep {
        self.at_once.sort_unstable();
        for (_, _, price) in self.at_once.drain(..) {
            self.last.push_back(price);
            if self.last.len() > 10 {
                self.last.pop_front();
            }
            out.emit(self.last.iter().sum::<u64>() / self.last.len() as u64);
        }
        Keep::Yes
    }

    fn on_eof(&mut self, out: &mut Emit<u64>) -> Keep {
        self.on_notify(out)
    }
}

/// The mean of the last ten prices of each seller, whenever an auction ends.
///
/// The SQL takes sales in the order of their bids. Here, as the benchmark describes it, they are in the order in which
/// the auctions end, and at one time in the order of their numbers.
pub fn q6(events: Stream<Event>) -> Stream<String> {
    let lot = |auction: Auction| (auction.seller, auction.expires, auction.id);
    let sales = sold(events, lot, |bid| bid.price).map(|((seller, expires, id), price)| {
        let sale: Sale = (expires, id, price);
        (seller, sale)
    });
    let clock = StreamClock::new(|(ended, ..): &Sale| Millis(*ended));
    let means = sales.stateful_by_time(clock, LastSales::default);
    means
        .named("means")
        .down
        .map(|(seller, mean)| format!("{seller},{mean}"))
}

/// Each auction that was sold with the bid that won it: the highest in time, and of equals the first.
pub fn q9(events: Stream<Event>) -> Stream<String> {
    sold(events, |auction| auction, |bid| bid).map(|(auction, bid)| {
        let Auction {
            id,
            item_name,
            description,
            initial_bid,
            reserve,
            at,
            expires,
            seller,
            category,
            extra,
        } = auction;
        format!(
            "{id},{item_name},{description},{initial_bid},{reserve},{at},{expires},{seller},{category},{extra},\
             {},{},{},{}",
            bid.bidder, bid.price, bid.at, bid.extra
        )
    })
}

/// The bids for auctions of one category, with their auction: a join that keeps both sides.
pub fn q20(events: Stream<Event>) -> Stream<String> {
    let events = events.branch(|event| matches!(event, Event::Bid(_)));
    let some = auctions(events.falses).filter(|auction| auction.category == 10);
    let some = some.key_on(|auction| auction.id);
    let bids = bids(events.trues).key_on(|bid| bid.auction);
    let rows = bids.join_rows(some, Inner, Kept::Unbounded).named("rows");
    rows.map(|(_, (bid, auction))| {
        let Bid {
            auction: id,
            bidder,
            price,
            channel,
            url,
            at,
            extra,
        } = bid;
        format!(
            "{id},{bidder},{price},{channel},{url},{at},{extra},{},{},{},{},{},{},{},{},{}",
            auction.item_name,
            auction.description,
            auction.initial_bid,
            auction.reserve,
            auction.at,
            auction.expires,
            auction.seller,
            auction.category,
            auction.extra
        )
    })
}
