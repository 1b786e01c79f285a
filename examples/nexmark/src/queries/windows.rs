//! Queries of windows.

use bytewax::chrono::{DateTime, TimeDelta};
use bytewax::operators::JoinInsert;
use bytewax::prelude::*;
use bytewax::windowing::{
    Millis, SessionWindower, SlidingWindower, StreamClock, SystemClock, TumblingWindower, Windowed,
};

use super::{auctions, bids, people};
use crate::{Bid, Event};

fn tumbling(seconds: i64) -> TumblingWindower {
    TumblingWindower::new(TimeDelta::seconds(seconds), DateTime::UNIX_EPOCH)
}

/// The auctions with the most bids in each ten seconds, every two seconds: windows of windows.
pub fn q5(events: Stream<Event>) -> Stream<String> {
    let by_auction = bids(events).map(|bid| (bid.auction, bid.at));
    let ten = SlidingWindower::new(
        TimeDelta::seconds(10),
        TimeDelta::seconds(2),
        DateTime::UNIX_EPOCH,
    );
    let clock = StreamClock::new(|at: &i64| Millis(*at));
    let counts = by_auction
        .count_window(clock, ten.with_times())
        .named("counts")
        .down;
    let counts = counts.map(|(auction, (_, count))| ((), (auction, count)));
    let clock = StreamClock::new(|(_, count): &(u64, Windowed<u64>)| count.time());
    // The order of the counts of a window does not matter.
    let hottest = counts.fold_window(
        clock,
        tumbling(2).in_arrival_order().with_times(),
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

/// The highest bid of each ten seconds: of all, so each worker compares its own bids first.
pub fn q7(events: Stream<Event>) -> Stream<String> {
    let rank = |bid: &Bid| (bid.price, -bid.at, bid.auction, bid.bidder);
    let clock = StreamClock::new(|bid: &Bid| Millis(bid.at));
    let all = bids(events).map(|bid| ((), bid));
    let highest = all.max_window(clock, tumbling(10), rank).named("highest");
    highest.down.map(|((), (window, bid))| {
        let begin = window.0 * 10;
        format!("{begin},{},{},{}", bid.price, bid.auction, bid.bidder)
    })
}

/// People who register and open an auction within the same ten seconds.
pub fn q8(events: Stream<Event>) -> Stream<String> {
    let events = events.branch(|event| matches!(event, Event::Person(_)));
    let people = people(events.trues);
    let people = people.map(|person| (person.id, (person.at, person.name)));
    let auctions = auctions(events.falses).map(|auction| (auction.seller, auction.at));
    let clock = StreamClock::of_sides((
        |person: &(i64, String)| Millis(person.0),
        |at: &i64| Millis(*at),
    ));
    let rows = people.join_window(auctions, clock, tumbling(10), JoinInsert::First);
    rows.named("new").down.filter_map(|(id, (window, row))| {
        let (Some((_, name)), Some(_)) = row else {
            return None;
        };
        Some(format!("{},{id},{name}", window.0 * 10))
    })
}

/// How many bids each person makes before being silent for ten seconds.
pub fn q11(events: Stream<Event>) -> Stream<String> {
    let by_bidder = bids(events).key_on(|bid| bid.bidder);
    let clock = StreamClock::new(|bid: &Bid| Millis(bid.at));
    let sessions = SessionWindower::new(TimeDelta::seconds(10)).with_times();
    let counts = by_bidder.count_window(clock, sessions).named("sessions");
    counts.down.map(|(bidder, (_, count))| {
        let (begin, end) = (count.begin.timestamp_millis(), count.end.timestamp_millis());
        format!("{bidder},{},{begin},{end}", count.value)
    })
}

/// How many bids of each person arrive in each ten seconds of the system's time.
///
/// The result depends on when the flow runs. The tests give the run a clock that stands still.
pub fn q12(events: Stream<Event>) -> Stream<String> {
    let by_bidder = bids(events).key_on(|bid| bid.bidder);
    let counts = by_bidder.count_window(SystemClock::new(), tumbling(10));
    counts
        .named("counts")
        .down
        .map(|(bidder, (window, count))| {
            let begin = window.0 * 10;
            format!("{bidder},{count},{begin},{}", begin + 10)
        })
}
