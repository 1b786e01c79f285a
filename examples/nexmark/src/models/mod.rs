//! What queries print, as loops over all events; the tests compare flows with these.

mod auctions;
mod reports;
mod rows;
mod windows;

pub use auctions::{q3, q4, q6, q9, q20};
pub use reports::{q15, q16, q17, q18, q19};
pub use rows::{q0, q1, q2, q10, q13, q14, q21, q22};
pub use windows::{ARRIVAL, q5, q7, q8, q11, q12};

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

/// All columns of a bid.
fn columns(bid: &Bid) -> String {
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
