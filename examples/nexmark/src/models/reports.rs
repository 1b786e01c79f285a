//! Models of queries that report on bids.

use std::collections::{BTreeMap, BTreeSet};

use super::{bids, columns};
use crate::{Bid, Events};

/// The day of a bid.
fn day(bid: &Bid) -> String {
    let day = (bid.at - 1_436_918_400_000).div_euclid(86_400_000);
    format!("2015-07-{}", 15 + day)
}

/// The bids of all ranks, and of each.
fn by_rank(bids: &[Bid]) -> [Vec<&Bid>; 4] {
    let of = |least, most| {
        let is_in = |bid: &&Bid| (least..most).contains(&bid.price);
        bids.iter().filter(is_in).collect()
    };
    [
        of(0, u64::MAX),
        of(0, 10_000),
        of(10_000, 1_000_000),
        of(1_000_000, u64::MAX),
    ]
}

fn joined(numbers: impl IntoIterator<Item = usize>) -> String {
    let numbers: Vec<_> = numbers.into_iter().map(|n| n.to_string()).collect();
    numbers.join(",")
}

fn report(bids: &[Bid]) -> String {
    let ranks = by_rank(bids);
    let different = |number: fn(&Bid) -> u64| {
        let count = |bids: &Vec<&Bid>| {
            bids.iter()
                .map(|bid| number(bid))
                .collect::<BTreeSet<_>>()
                .len()
        };
        joined(ranks.iter().map(count))
    };
    let all = joined(ranks.iter().map(Vec::len));
    format!(
        "{all},{},{}",
        different(|bid| bid.bidder),
        different(|bid| bid.auction)
    )
}

fn grouped<K: Ord>(events: Events, key: impl Fn(&Bid) -> K) -> BTreeMap<K, Vec<Bid>> {
    let mut groups: BTreeMap<K, Vec<Bid>> = BTreeMap::new();
    for bid in bids(events) {
        groups.entry(key(&bid)).or_default().push(bid);
    }
    groups
}

/// The model of [`q15`](crate::queries::q15).
#[must_use]
pub fn q15(events: Events) -> Vec<String> {
    let line = |(day, bids): (String, Vec<Bid>)| format!("{day},{}", report(&bids));
    grouped(events, day).into_iter().map(line).collect()
}

/// The model of [`q16`](crate::queries::q16).
#[must_use]
pub fn q16(events: Events) -> Vec<String> {
    let groups = grouped(events, |bid| (bid.channel.clone(), day(bid)));
    let line = |((channel, day), bids): ((String, String), Vec<Bid>)| {
        let last = bids.iter().map(|bid| bid.at).max().unwrap_or_default();
        let minutes = last.div_euclid(60_000);
        let (hour, minute) = (minutes / 60 % 24, minutes % 60);
        format!("{channel},{day},{hour:02}:{minute:02},{}", report(&bids))
    };
    groups.into_iter().map(line).collect()
}

/// The model of [`q17`](crate::queries::q17).
#[must_use]
pub fn q17(events: Events) -> Vec<String> {
    let groups = grouped(events, |bid| (bid.auction, day(bid)));
    let line = |((auction, day), bids): ((u64, String), Vec<Bid>)| {
        let mut prices: Vec<_> = bids.iter().map(|bid| bid.price).collect();
        prices.sort_unstable();
        let (least, most) = (prices[0], prices[prices.len() - 1]);
        let sum: u64 = prices.iter().sum();
        let mean = sum / prices.len() as u64;
        let counts = joined(by_rank(&bids).iter().map(Vec::len));
        format!("{auction},{day},{counts},{least},{most},{mean},{sum}")
    };
    groups.into_iter().map(line).collect()
}

/// The model of [`q18`](crate::queries::q18).
#[must_use]
pub fn q18(events: Events) -> Vec<String> {
    let groups = grouped(events, |bid| (bid.bidder, bid.auction));
    let last = |bids: Vec<Bid>| bids.into_iter().max_by_key(|bid| bid.at);
    groups
        .into_values()
        .filter_map(last)
        .map(|bid| columns(&bid))
        .collect()
}

/// The model of [`q19`](crate::queries::q19).
#[must_use]
pub fn q19(events: Events) -> Vec<String> {
    let mut lines = Vec::new();
    for mut bids in grouped(events, |bid| bid.auction).into_values() {
        bids.sort_by_key(|bid| (std::cmp::Reverse(bid.price), bid.at));
        for (index, bid) in bids.iter().take(10).enumerate() {
            lines.push(format!("{},{}", columns(bid), index + 1));
        }
    }
    lines
}
