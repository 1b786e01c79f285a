//! Models of queries of windows.

use std::collections::{BTreeMap, BTreeSet};

use super::{auctions, bids, people};
use crate::Events;

/// The model of [`q5`](crate::queries::q5).
#[must_use]
pub fn q5(events: Events) -> Vec<String> {
    let mut counts: BTreeMap<i64, BTreeMap<u64, u64>> = BTreeMap::new();
    for bid in bids(events) {
        let last = bid.at.div_euclid(2000) * 2 + 10;
        for end in (last - 8..=last).step_by(2) {
            *counts
                .entry(end)
                .or_default()
                .entry(bid.auction)
                .or_default() += 1;
        }
    }
    let line = |(end, counts): (i64, BTreeMap<u64, u64>)| {
        let most = counts.values().copied().max().unwrap_or_default();
        let hottest = counts.iter().filter(|(_, count)| **count == most);
        let auctions: Vec<_> = hottest.map(|(auction, _)| *auction).collect();
        format!("{end},{most},{auctions:?}")
    };
    counts.into_iter().map(line).collect()
}

/// The model of [`q7`](crate::queries::q7).
#[must_use]
pub fn q7(events: Events) -> Vec<String> {
    let mut highest: BTreeMap<i64, (u64, i64, u64, u64)> = BTreeMap::new();
    for bid in bids(events) {
        let rank = (bid.price, -bid.at, bid.auction, bid.bidder);
        let window = highest
            .entry(bid.at.div_euclid(10_000) * 10)
            .or_insert(rank);
        *window = rank.max(*window);
    }
    highest
        .into_iter()
        .map(|(begin, (price, _, auction, bidder))| format!("{begin},{price},{auction},{bidder}"))
        .collect()
}

/// The model of [`q8`](crate::queries::q8).
#[must_use]
pub fn q8(events: Events) -> Vec<String> {
    let sellers: BTreeSet<(i64, u64)> = auctions(events)
        .map(|auction| (auction.at.div_euclid(10_000), auction.seller))
        .collect();
    let new = people(events).filter_map(|person| {
        let window = person.at.div_euclid(10_000);
        let line = format!("{},{},{}", window * 10, person.id, person.name);
        sellers.contains(&(window, person.id)).then_some(line)
    });
    new.collect()
}

/// The model of [`q11`](crate::queries::q11).
#[must_use]
pub fn q11(events: Events) -> Vec<String> {
    let mut times: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    for bid in bids(events) {
        times.entry(bid.bidder).or_default().push(bid.at);
    }
    let mut lines = Vec::new();
    for (bidder, mut times) in times {
        times.sort_unstable();
        for session in times.chunk_by(|a, b| b - a <= 10_000) {
            let (first, last) = (session[0], session[session.len() - 1]);
            lines.push(format!(
                "{bidder},{},{first},{}",
                session.len(),
                last + 10_000
            ));
        }
    }
    lines
}

/// When all bids arrive, in seconds, as [`q12`] sees it.
pub const ARRIVAL: i64 = 1_436_918_427;

/// The model of [`q12`](crate::queries::q12), when all bids arrive at one time.
#[must_use]
pub fn q12(events: Events) -> Vec<String> {
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    for bid in bids(events) {
        *counts.entry(bid.bidder).or_default() += 1;
    }
    let begin = ARRIVAL - ARRIVAL % 10;
    let line = |(bidder, count)| format!("{bidder},{count},{begin},{}", begin + 10);
    counts.into_iter().map(line).collect()
}
