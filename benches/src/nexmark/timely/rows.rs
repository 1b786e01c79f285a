//! Queries of bids, one by one.

use bytewax_nexmark::{Bid, Event};
use timely::dataflow::StreamVec;
use timely::dataflow::operators::vec::{Filter, Map};

use crate::nexmark::Euros;
use crate::timely_impl::Time;

pub(super) fn q1(events: StreamVec<'_, Time, Event>) -> StreamVec<'_, Time, Euros> {
    bids(events).map(|bid| {
        let cents = bid.price * 908 / 1000;
        (bid.auction, bid.bidder, cents, bid.at)
    })
}

pub(super) fn q2(events: StreamVec<'_, Time, Event>) -> StreamVec<'_, Time, String> {
    bids(events)
        .filter(|bid| bid.auction % 123 == 0)
        .map(|bid| format!("{},{}", bid.auction, bid.price))
}

fn bids(events: StreamVec<'_, Time, Event>) -> StreamVec<'_, Time, Bid> {
    events.flat_map(|event| match event {
        Event::Bid(bid) => Some(bid),
        _ => None,
    })
}
