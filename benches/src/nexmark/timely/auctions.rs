//! Queries of auctions and what belongs to them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use bytewax_nexmark::Event;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use serde::{Deserialize, Serialize};
use timely::dataflow::StreamVec;
use timely::dataflow::operators::vec::Map;

use super::{by, with_state};
use crate::timely_impl::Time;

/// Q3: what the join gets. One stream has both sides, so no event is copied for the other.
#[derive(Clone, Serialize, Deserialize)]
enum Side {
    Sold { seller: u64, auction: u64 },
    Near { id: u64, home: Home },
}

/// The name, the city and the state of a person.
type Home = [String; 3];

/// What is known of a seller: the auctions until the person comes, who comes once.
enum Seller {
    Waiting(Vec<u64>),
    Known(Home),
}

pub(super) fn q3(events: StreamVec<'_, Time, Event>) -> StreamVec<'_, Time, String> {
    let sides = events.flat_map(|event| match event {
        Event::Auction(auction) if auction.category == 10 => Some(Side::Sold {
            seller: auction.seller,
            auction: auction.id,
        }),
        Event::Person(person) if matches!(person.state.as_str(), "or" | "id" | "ca") => {
            Some(Side::Near {
                id: person.id,
                home: [person.name, person.city, person.state],
            })
        }
        _ => None,
    });
    let by_seller = by(|side: &Side| match side {
        Side::Sold { seller, .. } => *seller,
        Side::Near { id, .. } => *id,
    });
    let rows = with_state(
        sides,
        by_seller,
        "Sellers",
        HashMap::<u64, Seller>::new(),
        |sellers, side, out| match side {
            Side::Sold { seller, auction } => {
                let waiting = || Seller::Waiting(Vec::new());
                match sellers.entry(seller).or_insert_with(waiting) {
                    Seller::Waiting(auctions) => auctions.push(auction),
                    Seller::Known(home) => out.push((home.clone(), auction)),
                }
            }
            Side::Near { id, home } => {
                if let Some(Seller::Waiting(auctions)) = sellers.remove(&id) {
                    out.extend(auctions.into_iter().map(|auction| (home.clone(), auction)));
                }
                sellers.insert(id, Seller::Known(home));
            }
        },
        |_, _, _| {},
    );
    rows.map(|([name, city, state], auction)| format!("{name},{city},{state},{auction}"))
}

/// Q4: what happens to an auction.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum Change {
    Begins {
        category: u64,
        at: i64,
        expires: i64,
    },
    Bid {
        at: i64,
        price: u64,
    },
}

/// An auction that has begun.
struct Open {
    category: u64,
    at: i64,
    expires: i64,
    best: Option<u64>,
}

impl Open {
    fn bid(&mut self, at: i64, price: u64) {
        if self.at <= at && at <= self.expires {
            self.best = self.best.max(Some(price));
        }
    }
}

/// The auctions of a worker.
#[derive(Default)]
struct Auctions {
    open: HashMap<u64, Open>,
    ends: BinaryHeap<Reverse<(i64, u64)>>,
    /// The times and prices of bids that came before their auction, or too late for it.
    early: HashMap<u64, Vec<(i64, u64)>>,
    /// The watermark when `early` was last tidied.
    tidied: i64,
}

impl Auctions {
    fn take(&mut self, id: u64, change: Change) {
        match change {
            Change::Begins {
                category,
                at,
                expires,
            } => {
                let mut auction = Open {
                    category,
                    at,
                    expires,
                    best: None,
                };
                for (at, price) in self.early.remove(&id).into_iter().flatten() {
                    auction.bid(at, price);
                }
                self.open.insert(id, auction);
                self.ends.push(Reverse((expires, id)));
            }
            Change::Bid { at, price } => match self.open.get_mut(&id) {
                Some(auction) => auction.bid(at, price),
                None => self.early.entry(id).or_default().push((at, price)),
            },
        }
    }

    /// Puts out the categories and prices of auctions that no bid can change any more.
    fn close(&mut self, watermark: i64, sold: &mut Vec<(u64, u64)>) {
        while let Some(Reverse((expires, id))) = self.ends.peek().copied() {
            if expires >= watermark {
                break;
            }
            self.ends.pop();
            if let Entry::Occupied(auction) = self.open.entry(id) {
                let auction = auction.remove();
                sold.extend(auction.best.map(|price| (auction.category, price)));
            }
        }
        // An auction that is still to come begins at the watermark or later, and its bids do.
        if watermark.saturating_sub(self.tidied) >= 1000 {
            self.tidied = watermark;
            self.early.retain(|_, bids| {
                bids.retain(|(at, _)| *at >= watermark);
                !bids.is_empty()
            });
        }
    }
}

pub(super) fn q4(events: StreamVec<'_, Time, Event>) -> StreamVec<'_, Time, String> {
    let changes = events.flat_map(|event| match event {
        Event::Auction(auction) => Some((
            auction.id,
            Change::Begins {
                category: auction.category,
                at: auction.at,
                expires: auction.expires,
            },
        )),
        Event::Bid(bid) => Some((
            bid.auction,
            Change::Bid {
                at: bid.at,
                price: bid.price,
            },
        )),
        Event::Person(_) => None,
    });
    let sold = with_state(
        changes,
        by(|(id, _): &(u64, Change)| *id),
        "Sold",
        Auctions::default(),
        |auctions, (id, change), _| auctions.take(id, change),
        Auctions::close,
    );
    let means = with_state(
        sold,
        by(|(category, _): &(u64, u64)| *category),
        "Means",
        HashMap::<u64, (u64, u64)>::new(),
        |sums, (category, price), _| {
            let (sum, count) = sums.entry(category).or_default();
            *sum += price;
            *count += 1;
        },
        |sums, watermark, means| {
            if watermark == i64::MAX {
                let mean = |(category, (sum, count))| (category, sum / count);
                means.extend(sums.drain().map(mean));
            }
        },
    );
    means.map(|(category, mean)| format!("{category},{mean}"))
}
