//! Queries of auctions and what belongs to them.

use std::collections::VecDeque;

use bytewax::chrono::{DateTime, TimeDelta, Utc};
use bytewax::prelude::*;
use bytewax::windowing::{Inner, Kept, Millis, StreamClock};

use super::{auctions, bids, people};
use crate::{Auction, Bid, Event};

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

/// An auction with its best bid so far: the highest, and of equals the first.
#[stateful]
#[derive(Default)]
struct Best {
    auction: Option<Auction>,
    bid: Option<Bid>,
}

#[stateful]
impl Best {
    fn on_item(&mut self, event: Event, _out: &mut Emit<(Auction, Bid)>) -> Keep {
        match event {
            Event::Auction(auction) => self.auction = Some(auction),
            Event::Bid(bid) if self.auction.is_some() => {
                let best = self.bid.as_ref().map(|best| best.price);
                if best.is_none_or(|best| bid.price > best) {
                    self.bid = Some(bid);
                }
            }
            // A bid for an auction that has not begun, or has ended.
            _ => return self.keep(),
        }
        Keep::Yes
    }

    /// Behind the bids of the time at which the auction ends.
    fn notify_at(&self) -> Option<DateTime<Utc>> {
        let expires = self.auction.as_ref()?.expires;
        Some(DateTime::from_timestamp_millis(expires)? + TimeDelta::microseconds(1))
    }

    fn on_notify(&mut self, out: &mut Emit<(Auction, Bid)>) -> Keep {
        if let (Some(auction), Some(bid)) = (self.auction.take(), self.bid.take()) {
            out.emit((auction, bid));
        }
        Keep::No
    }

    /// All auctions end.
    fn on_eof(&mut self, out: &mut Emit<(Auction, Bid)>) -> Keep {
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

/// The auctions that were sold, each with the bid that won it, when it ends: auctions end at a time in their data.
fn sold(events: Stream<Event>) -> Stream<(Auction, Bid)> {
    let of_auctions = events.filter_map(|event| match &event {
        Event::Auction(auction) => Some((auction.id, event)),
        Event::Bid(bid) => Some((bid.auction, event)),
        Event::Person(_) => None,
    });
    let best = of_auctions.stateful_by_time(StreamClock::new(Event::at), Best::default);
    best.named("best").down.key_rm()
}

/// The mean of the best bids of each category, at the end.
pub fn q4(events: Stream<Event>) -> Stream<String> {
    let prices = sold(events).map(|(auction, bid)| (auction.category, bid.price));
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
    let sales = sold(events).map(|(auction, bid)| {
        let sale: Sale = (auction.expires, auction.id, bid.price);
        (auction.seller, sale)
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
    sold(events).map(|(auction, bid)| {
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
    let some = auctions(events.clone()).filter(|auction| auction.category == 10);
    let some = some.key_on(|auction| auction.id);
    let bids = bids(events).key_on(|bid| bid.auction);
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
