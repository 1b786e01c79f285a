//! The queries, as the SQL of the benchmark states them; each says where it differs.

mod auctions;
mod reports;
mod rows;
mod windows;

pub use auctions::{q3, q4, q6, q9, q20};
pub use reports::{q15, q16, q17, q18, q19};
pub use rows::{q0, q1, q2, q10, q13, q14, q21, q22};
pub use windows::{q5, q7, q8, q11, q12};

use bytewax::prelude::*;

use crate::{Auction, Bid, Event, Person};

fn bids(events: Stream<Event>) -> Stream<Bid> {
    events.filter_map(|event| match event {
        Event::Bid(bid) => Some(bid),
        _ => None,
    })
}

fn people(events: Stream<Event>) -> Stream<Person> {
    events.filter_map(|event| match event {
        Event::Person(person) => Some(person),
        _ => None,
    })
}

fn auctions(events: Stream<Event>) -> Stream<Auction> {
    events.filter_map(|event| match event {
        Event::Auction(auction) => Some(auction),
        _ => None,
    })
}
