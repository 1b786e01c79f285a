//! What queries print, as loops over all events; the tests compare flows with these.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Auction, Bid, Event, Events, Person};

/// The lines of a query, in any order.
pub type Model = fn(Events) -> Vec<String>;

fn bids(events: Events) -> impl Iterator<Item = Bid> {
    events.all().filter_map(|event| match event {
        Event::Bid(bid) => Some(bid),
        _ => None,
    })
}

fn auctions(events: Events) -> impl Iterator<Item = Auction> {
    events.all().filter_map(|event| match event {
        Event::Auction(auction) => Some(auction),
        _ => None,
    })
}

fn people(events: Events) -> impl Iterator<Item = Person> {
    events.all().filter_map(|event| match event {
        Event::Person(person) => Some(person),
        _ => None,
    })
}

/// The model of [`q0`](crate::queries::q0).
#[must_use]
pub fn q0(events: Events) -> Vec<String> {
    let line = |bid: Bid| format!("{},{},{},{}", bid.auction, bid.bidder, bid.price, bid.at);
    bids(events).map(line).collect()
}

/// The model of [`q1`](crate::queries::q1).
#[must_use]
pub fn q1(events: Events) -> Vec<String> {
    let euros = |bid: &Bid| bid.price * 908 / 1000;
    bids(events)
        .map(|bid| format!("{},{},{},{}", bid.auction, bid.bidder, euros(&bid), bid.at))
        .collect()
}

/// The model of [`q2`](crate::queries::q2).
#[must_use]
pub fn q2(events: Events) -> Vec<String> {
    let some = bids(events).filter(|bid| bid.auction % 123 == 0);
    some.map(|bid| format!("{},{}", bid.auction, bid.price))
        .collect()
}

/// The model of [`q3`](crate::queries::q3).
#[must_use]
pub fn q3(events: Events) -> Vec<String> {
    let near = |person: &Person| matches!(person.state.as_str(), "or" | "id" | "ca");
    let people: Vec<_> = people(events).filter(near).collect();
    let mut lines = Vec::new();
    for auction in auctions(events).filter(|auction| auction.category == 10) {
        for person in people.iter().filter(|person| person.id == auction.seller) {
            let Person {
                name, city, state, ..
            } = person;
            lines.push(format!("{name},{city},{state},{}", auction.id));
        }
    }
    lines
}

/// The model of [`q4`](crate::queries::q4).
#[must_use]
pub fn q4(events: Events) -> Vec<String> {
    let auctions: BTreeMap<u64, Auction> = auctions(events)
        .map(|auction| (auction.id, auction))
        .collect();
    let mut best: BTreeMap<u64, u64> = BTreeMap::new();
    for bid in bids(events) {
        let in_time = |auction: &&Auction| auction.at <= bid.at && bid.at < auction.expires;
        if auctions.get(&bid.auction).filter(in_time).is_some() {
            let price = best.entry(bid.auction).or_default();
            *price = bid.price.max(*price);
        }
    }
    let mut sums: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for (auction, price) in best {
        let (sum, count) = sums.entry(auctions[&auction].category).or_default();
        *sum += price;
        *count += 1;
    }
    let mean = |(category, (sum, count)): (u64, (u64, u64))| format!("{category},{}", sum / count);
    sums.into_iter().map(mean).collect()
}

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
