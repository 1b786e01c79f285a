//! Queries that report on bids: of a day, or of all.
//!
//! The SQL corrects its rows with each bid. Here a row is complete: it comes when its day is over, or at the end of input.

use std::collections::BTreeMap;

use bytewax::chrono::{DateTime, TimeDelta};
use bytewax::prelude::*;
use bytewax::windowing::{Millis, Once, StreamClock, TumblingWindower, WithOptions, WithTimes};

use super::bids;
use crate::{Bid, Event};

/// The days. What is counted does not depend on the order of bids, so they do not wait for the watermark.
fn days() -> WithOptions<TumblingWindower, WithTimes<Once>> {
    let days = TumblingWindower::new(TimeDelta::days(1), DateTime::UNIX_EPOCH);
    days.with_times().in_arrival_order()
}

fn clock() -> impl bytewax::windowing::Clock<Bid> {
    StreamClock::new(|bid: &Bid| Millis(bid.at))
}

/// The rank of a price: 0 to 2.
fn rank(price: u64) -> usize {
    match price {
        ..10_000 => 0,
        10_000..1_000_000 => 1,
        _ => 2,
    }
}

/// How many bids there are, of each rank.
#[stateful]
#[derive(Clone, Copy, Default)]
pub(crate) struct Bids(u64, u64, u64);

impl Bids {
    pub(crate) fn add(&mut self, price: u64) {
        let Self(low, middle, high) = self;
        *[low, middle, high][rank(price)] += 1;
    }

    fn append(&mut self, other: &Self) {
        self.0 += other.0;
        self.1 += other.1;
        self.2 += other.2;
    }

    pub(crate) fn shown(&self) -> String {
        let Self(low, middle, high) = self;
        format!("{},{low},{middle},{high}", low + middle + high)
    }
}

/// Different numbers, each with the ranks of bids that have it, as bits.
#[stateful]
#[derive(Clone, Default)]
pub(crate) struct Different(BTreeMap<u64, u8>);

impl Different {
    pub(crate) fn add(&mut self, number: u64, price: u64) {
        *self.0.entry(number).or_default() |= 1 << rank(price);
    }

    fn append(&mut self, other: Self) {
        for (number, ranks) in other.0 {
            *self.0.entry(number).or_default() |= ranks;
        }
    }

    pub(crate) fn shown(&self) -> String {
        let of = |rank: usize| {
            self.0
                .values()
                .filter(|ranks| *ranks & (1 << rank) != 0)
                .count()
        };
        format!("{},{},{},{}", self.0.len(), of(0), of(1), of(2))
    }
}

/// What is reported of many bids.
#[stateful]
#[derive(Clone, Default)]
pub(crate) struct Report {
    pub(crate) bids: Bids,
    pub(crate) bidders: Different,
    pub(crate) auctions: Different,
    /// The time of the last bid.
    pub(crate) last: i64,
}

impl Report {
    pub(crate) fn add(&mut self, bid: &Bid) {
        self.bids.add(bid.price);
        self.bidders.add(bid.bidder, bid.price);
        self.auctions.add(bid.auction, bid.price);
        self.last = self.last.max(bid.at);
    }

    fn append(&mut self, other: Self) {
        self.bids.append(&other.bids);
        self.bidders.append(other.bidders);
        self.auctions.append(other.auctions);
        self.last = self.last.max(other.last);
    }
}

/// Bids, bidders and auctions of each day, in all and by the rank of the price.
pub fn q15(events: Stream<Event>) -> Stream<String> {
    let all = bids(events).key_on(|_| ());
    let reports = all.fold_window(
        clock(),
        days(),
        Report::default,
        |report: &mut Report, bid| report.add(&bid),
        Report::append,
    );
    reports.named("reports").down.map(|(_, (_, report))| {
        let day = report.begin.format("%Y-%m-%d");
        let Report {
            bids,
            bidders,
            auctions,
            ..
        } = report.value;
        format!(
            "{day},{},{},{}",
            bids.shown(),
            bidders.shown(),
            auctions.shown()
        )
    })
}

/// Bids, bidders and auctions of each channel and day, with the minute of the last bid.
pub fn q16(events: Stream<Event>) -> Stream<String> {
    let by_channel = bids(events).key_on(|bid| bid.channel.clone());
    let reports = by_channel.fold_window(
        clock(),
        days(),
        Report::default,
        |report: &mut Report, bid| report.add(&bid),
        Report::append,
    );
    reports.named("reports").down.map(|(channel, (_, report))| {
        let day = report.begin.format("%Y-%m-%d");
        let Report {
            bids,
            bidders,
            auctions,
            last,
        } = report.value;
        let minute = DateTime::from_timestamp_millis(last).unwrap_or_default();
        format!(
            "{channel},{day},{},{},{},{}",
            minute.format("%H:%M"),
            bids.shown(),
            bidders.shown(),
            auctions.shown()
        )
    })
}

/// The prices of an auction on a day.
#[stateful]
#[derive(Clone, Copy, Default)]
pub(crate) struct Prices {
    bids: Bids,
    least: Option<u64>,
    most: u64,
    sum: u64,
}

impl Prices {
    pub(crate) fn add(&mut self, price: u64) {
        self.bids.add(price);
        self.least = Some(self.least.map_or(price, |least| least.min(price)));
        self.most = self.most.max(price);
        self.sum += price;
    }

    fn append(&mut self, other: Self) {
        self.bids.append(&other.bids);
        self.least = self.least.into_iter().chain(other.least).min();
        self.most = self.most.max(other.most);
        self.sum += other.sum;
    }

    fn shown(&self) -> String {
        let Bids(low, middle, high) = self.bids;
        let mean = self.sum / (low + middle + high).max(1);
        let least = self.least.unwrap_or_default();
        format!(
            "{},{least},{},{mean},{}",
            self.bids.shown(),
            self.most,
            self.sum
        )
    }
}

/// How many bids each auction has on each day, and their prices.
pub fn q17(events: Stream<Event>) -> Stream<String> {
    let by_auction = bids(events).key_on(|bid| bid.auction);
    let prices = by_auction.fold_window(
        clock(),
        days(),
        Prices::default,
        |prices: &mut Prices, bid| prices.add(bid.price),
        Prices::append,
    );
    prices.named("prices").down.map(|(auction, (_, prices))| {
        let day = prices.begin.format("%Y-%m-%d");
        format!("{auction},{day},{}", prices.value.shown())
    })
}

/// The last bid of each person for each auction, at the end.
pub fn q18(events: Stream<Event>) -> Stream<String> {
    let by_both = bids(events).key_on(|bid| (bid.bidder, bid.auction));
    let last = by_both.max_final(|bid| (bid.at, bid.price)).named("last");
    last.map(|(_, bid)| shown(&bid))
}

/// The ten highest bids of each auction with their ranks, at the end; of equals, the earlier is ahead.
pub fn q19(events: Stream<Event>) -> Stream<String> {
    let by_auction = bids(events).key_on(|bid| bid.auction);
    let most = by_auction
        .top_n_final(10, |bid| (bid.price, -bid.at))
        .named("most");
    most.flat_map(|(_, bids): (u64, Vec<Bid>)| {
        let ranked = bids.into_iter().zip(1..);
        ranked.map(|(bid, rank)| format!("{},{rank}", shown(&bid)))
    })
}

fn shown(bid: &Bid) -> String {
    let Bid {
        auction,
        bidder,
        price,
        channel,
        url,
        at,
        extra,
    } = bid;
    format!("{auction},{bidder},{price},{channel},{url},{at},{extra}")
}
