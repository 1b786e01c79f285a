//! Queries of windows. State is kept by window and then by key, so a window is closed by taking one map.

use std::collections::BTreeMap;

use bytewax_nexmark::Event;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::vec::Map;

use super::{by, with_state};
use crate::timely_impl::Time;

/// Q5: windows begin so often, in milliseconds.
const SLIDE: i64 = 2000;
/// And are so many times as long.
const SLIDES: i64 = 5;
/// Q7 and Q8: the length of windows, in milliseconds.
const LENGTH: i64 = 10_000;

/// The auctions with the most bids of a window, and how many those are.
type Hottest = (u64, Vec<u64>);

/// How many bids each auction has, by the slides of the windows: a bid is counted once and not in each of its windows.
#[derive(Default)]
struct Slides {
    counts: BTreeMap<i64, HashMap<u64, u64>>,
    /// The end of the first window that is not closed, in slides; 0 before any is.
    next: i64,
    /// Space for the counts of a window.
    sums: HashMap<u64, u64>,
}

impl Slides {
    /// Puts out the windows that end at the watermark or before, by their ends.
    fn close(&mut self, watermark: i64, out: &mut Vec<(i64, Hottest)>) {
        while let Some((first, _)) = self.counts.first_key_value() {
            let end = self.next.max(first + 1);
            if end * SLIDE > watermark {
                break;
            }
            for counts in self.counts.range(end - SLIDES..end).map(|slide| slide.1) {
                for (auction, count) in counts {
                    *self.sums.entry(*auction).or_default() += count;
                }
            }
            let mut hottest = Hottest::default();
            for (auction, count) in self.sums.drain() {
                if count > hottest.0 {
                    hottest.0 = count;
                    hottest.1.clear();
                }
                if count == hottest.0 {
                    hottest.1.push(auction);
                }
            }
            out.push((end, hottest));
            self.next = end + 1;
            // No later window has it.
            self.counts.remove(&(end - SLIDES));
        }
    }
}

pub(super) fn q5(events: StreamVec<'_, Time, Event>) -> StreamVec<'_, Time, String> {
    let bids = events.flat_map(|event| match event {
        Event::Bid(bid) => Some((bid.auction, bid.at)),
        _ => None,
    });
    // A worker sends only the best of its own auctions.
    let own = with_state(
        bids,
        by(|(auction, _): &(u64, i64)| *auction),
        "Counts",
        Slides::default(),
        |slides, (auction, at), _| {
            let slide = slides.counts.entry(at.div_euclid(SLIDE)).or_default();
            *slide.entry(auction).or_default() += 1;
        },
        Slides::close,
    );
    let all = with_state(
        own,
        by(|(end, _): &(i64, Hottest)| *end),
        "Hottest",
        BTreeMap::<i64, Hottest>::new(),
        |windows, (end, (count, auctions)), _| {
            let best = windows.entry(end).or_default();
            if count > best.0 {
                *best = (count, auctions);
            } else if count == best.0 {
                best.1.extend(auctions);
            }
        },
        |windows, watermark, out| {
            while let Some(window) = windows.first_entry() {
                if window.key() * SLIDE > watermark {
                    break;
                }
                out.push(window.remove_entry());
            }
        },
    );
    all.map(|(end, (count, mut auctions))| {
        auctions.sort_unstable();
        format!("{},{count},{auctions:?}", end * SLIDE / 1000)
    })
}

/// A bid by its rank: its price, its time with the earlier one ahead, its auction and who bids.
type Rank = (u64, i64, u64, u64);

pub(super) fn q7(events: StreamVec<'_, Time, Event>) -> StreamVec<'_, Time, String> {
    let bids = events.flat_map(|event| match event {
        Event::Bid(bid) => {
            let rank = (bid.price, -bid.at, bid.auction, bid.bidder);
            Some((bid.at.div_euclid(LENGTH), rank))
        }
        _ => None,
    });
    let take = |windows: &mut BTreeMap<i64, Rank>, (window, rank), _: &mut Vec<_>| {
        let best = windows.entry(window).or_insert(rank);
        *best = rank.max(*best);
    };
    let close = |windows: &mut BTreeMap<i64, Rank>, watermark, out: &mut Vec<(i64, Rank)>| {
        while let Some(window) = windows.first_entry() {
            if (window.key() + 1) * LENGTH > watermark {
                break;
            }
            out.push(window.remove_entry());
        }
    };
    let own = with_state(bids, Pipeline, "Own", BTreeMap::new(), take, close);
    let by_window = by(|(window, _): &(i64, Rank)| *window);
    let all = with_state(own, by_window, "All", BTreeMap::new(), take, close);
    all.map(|(window, (price, _, auction, bidder))| {
        format!("{},{price},{auction},{bidder}", window * LENGTH / 1000)
    })
}

/// Q8: what the join gets.
#[derive(Clone, Serialize, Deserialize)]
enum Side {
    Registers { id: u64, name: String },
    Opens { seller: u64 },
}

/// What a person has done in a window.
#[derive(Default)]
struct Done {
    name: Option<String>,
    has_opened: bool,
}

pub(super) fn q8(events: StreamVec<'_, Time, Event>) -> StreamVec<'_, Time, String> {
    let sides = events.flat_map(|event| match event {
        Event::Person(person) => Some((
            person.at.div_euclid(LENGTH),
            Side::Registers {
                id: person.id,
                name: person.name,
            },
        )),
        Event::Auction(auction) => Some((
            auction.at.div_euclid(LENGTH),
            Side::Opens {
                seller: auction.seller,
            },
        )),
        Event::Bid(_) => None,
    });
    let by_person = by(|(_, side): &(i64, Side)| match side {
        Side::Registers { id, .. } => *id,
        Side::Opens { seller } => *seller,
    });
    let rows = with_state(
        sides,
        by_person,
        "New",
        BTreeMap::<i64, HashMap<u64, Done>>::new(),
        |windows, (window, side), out| {
            let people = windows.entry(window).or_default();
            match side {
                Side::Registers { id, name } => {
                    let done = people.entry(id).or_default();
                    if done.has_opened {
                        out.push((window, id, name));
                    } else {
                        done.name = Some(name);
                    }
                }
                Side::Opens { seller } => {
                    let done = people.entry(seller).or_default();
                    done.has_opened = true;
                    out.extend(done.name.take().map(|name| (window, seller, name)));
                }
            }
        },
        |windows, watermark, _| {
            while let Some(window) = windows.first_entry() {
                if (window.key() + 1) * LENGTH > watermark {
                    break;
                }
                window.remove();
            }
        },
    );
    rows.map(|(window, id, name)| format!("{},{id},{name}", window * LENGTH / 1000))
}
