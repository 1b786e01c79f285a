//! Models of queries of auctions.

use std::collections::BTreeMap;

use super::{auctions, bids, columns, people};
use crate::{Auction, Bid, Events, Person};

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

/// Each auction with the bid that wins it.
fn sold(events: Events) -> Vec<(Auction, Bid)> {
    let auctions: BTreeMap<u64, Auction> = auctions(events)
        .map(|auction| (auction.id, auction))
        .collect();
    let mut best: BTreeMap<u64, Bid> = BTreeMap::new();
    for bid in bids(events) {
        let in_time = |auction: &&Auction| auction.at <= bid.at && bid.at <= auction.expires;
        if auctions.get(&bid.auction).filter(in_time).is_some() {
            let rank = |bid: &Bid| (bid.price, -bid.at);
            match best.get_mut(&bid.auction) {
                Some(best) if rank(best) >= rank(&bid) => {}
                Some(best) => *best = bid,
                None => {
                    best.insert(bid.auction, bid);
                }
            }
        }
    }
    let with_auction = |(id, bid)| (auctions[&id].clone(), bid);
    best.into_iter().map(with_auction).collect()
}

/// The model of [`q4`](crate::queries::q4).
#[must_use]
pub fn q4(events: Events) -> Vec<String> {
    let mut sums: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for (auction, bid) in sold(events) {
        let (sum, count) = sums.entry(auction.category).or_default();
        *sum += bid.price;
        *count += 1;
    }
    let mean = |(category, (sum, count)): (u64, (u64, u64))| format!("{category},{}", sum / count);
    sums.into_iter().map(mean).collect()
}

/// The model of [`q6`](crate::queries::q6).
#[must_use]
pub fn q6(events: Events) -> Vec<String> {
    let mut sales: BTreeMap<u64, Vec<(i64, u64, u64)>> = BTreeMap::new();
    for (auction, bid) in sold(events) {
        let sale = (auction.expires, auction.id, bid.price);
        sales.entry(auction.seller).or_default().push(sale);
    }
    let mut lines = Vec::new();
    for (seller, mut sales) in sales {
        sales.sort_unstable();
        for end in 1..=sales.len() {
            let last = &sales[end.saturating_sub(10)..end];
            let sum: u64 = last.iter().map(|(.., price)| price).sum();
            lines.push(format!("{seller},{}", sum / last.len() as u64));
        }
    }
    lines
}

fn columns_of_auction(auction: &Auction) -> String {
    let Auction {
        item_name,
        description,
        initial_bid,
        reserve,
        at,
        expires,
        seller,
        category,
        extra,
        ..
    } = auction;
    format!(
        "{item_name},{description},{initial_bid},{reserve},{at},{expires},{seller},{category},{extra}"
    )
}

/// The model of [`q9`](crate::queries::q9).
#[must_use]
pub fn q9(events: Events) -> Vec<String> {
    let line = |(auction, bid): (Auction, Bid)| {
        let Bid {
            bidder,
            price,
            at,
            extra,
            ..
        } = bid;
        let columns = columns_of_auction(&auction);
        format!("{},{columns},{bidder},{price},{at},{extra}", auction.id)
    };
    sold(events).into_iter().map(line).collect()
}

/// The model of [`q20`](crate::queries::q20).
#[must_use]
pub fn q20(events: Events) -> Vec<String> {
    let some: BTreeMap<u64, Auction> = auctions(events)
        .filter(|auction| auction.category == 10)
        .map(|auction| (auction.id, auction))
        .collect();
    let line = |bid: Bid| {
        let auction = some.get(&bid.auction)?;
        Some(format!("{},{}", columns(&bid), columns_of_auction(auction)))
    };
    bids(events).filter_map(line).collect()
}
