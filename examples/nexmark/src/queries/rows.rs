//! Queries of bids, one by one.

use std::collections::HashMap;

use bytewax::chrono::{DateTime, Timelike, Utc};
use bytewax::prelude::*;

use super::bids;
use crate::{Bid, Event};

/// The bids as they are.
pub fn q0(events: Stream<Event>) -> Stream<String> {
    bids(events).map(|bid| format!("{},{},{},{}", bid.auction, bid.bidder, bid.price, bid.at))
}

/// The prices of bids in euros.
pub fn q1(events: Stream<Event>) -> Stream<String> {
    bids(events).map(|bid| {
        let cents = bid.price * 908 / 1000;
        format!("{},{},{cents},{}", bid.auction, bid.bidder, bid.at)
    })
}

/// The bids for some auctions.
pub fn q2(events: Stream<Event>) -> Stream<String> {
    let some = bids(events).filter(|bid| bid.auction % 123 == 0);
    some.map(|bid| format!("{},{}", bid.auction, bid.price))
}

/// The bids with the day and the minute of each, for files: the program writes a file for each minute of the hour.
pub fn q10(events: Stream<Event>) -> Stream<String> {
    bids(events).map(|bid| {
        let minute = date(bid.at).format("%Y-%m-%d,%H:%M");
        let Bid {
            auction,
            bidder,
            price,
            at,
            extra,
            ..
        } = bid;
        format!("{minute},{auction},{bidder},{price},{at},{extra}")
    })
}

/// The bids with a value of a bounded table, by the number of the auction modulo 10 000.
///
/// The SQL reads the table as of the time of processing. Here each worker has the whole table before the first bid, so
/// the result does not depend on that time.
pub fn q13(events: Stream<Event>) -> Stream<String> {
    let rows = bids(events).map_with(side_table, |table, bid| {
        let value = table.get(&(bid.auction % SIDE_ROWS))?;
        let Bid {
            auction,
            bidder,
            price,
            at,
            ..
        } = bid;
        Some(format!("{auction},{bidder},{price},{at},{value}"))
    });
    rows.flatten()
}

/// How many rows the table of [`q13`] has.
const SIDE_ROWS: u64 = 10_000;

/// The table of [`q13`]: each number in binary.
pub(crate) fn side_table() -> HashMap<u64, String> {
    (0..SIDE_ROWS)
        .map(|key| (key, format!("{key:b}")))
        .collect()
}

/// The prices of some bids in euros, the part of the day of each, and how often it has the letter `c`.
pub fn q14(events: Stream<Event>) -> Stream<String> {
    bids(events).filter_map(|bid| {
        // In thousandths of a cent.
        let price = bid.price * 908;
        if price <= 1_000_000_000 || price >= 50_000_000_000 {
            return None;
        }
        let part = match date(bid.at).hour() {
            8..=18 => "dayTime",
            0..=6 | 20.. => "nightTime",
            _ => "otherTime",
        };
        let (cents, thousandths) = (price / 1000, price % 1000);
        let count = bid.extra.matches('c').count();
        let Bid {
            auction,
            bidder,
            at,
            extra,
            ..
        } = bid;
        Some(format!(
            "{auction},{bidder},{cents}.{thousandths:03},{part},{at},{extra},{count}"
        ))
    })
}

/// The bids with the number of their channel: of four by name, of others from the address.
pub fn q21(events: Stream<Event>) -> Stream<String> {
    bids(events).filter_map(|bid| {
        let channel = match bid.channel.to_lowercase().as_str() {
            "apple" => "0",
            "google" => "1",
            "facebook" => "2",
            "baidu" => "3",
            _ => bid
                .url
                .split('&')
                .find_map(|part| part.strip_prefix("channel_id="))?,
        };
        let Bid {
            auction,
            bidder,
            price,
            channel: name,
            ..
        } = &bid;
        Some(format!("{auction},{bidder},{price},{name},{channel}"))
    })
}

/// The bids with the three directories of their address.
pub fn q22(events: Stream<Event>) -> Stream<String> {
    bids(events).map(|bid| {
        let mut parts = bid.url.split('/').skip(3);
        let mut part = || parts.next().unwrap_or_default();
        let (first, second, third) = (part(), part(), part());
        let Bid {
            auction,
            bidder,
            price,
            channel,
            ..
        } = &bid;
        format!("{auction},{bidder},{price},{channel},{first},{second},{third}")
    })
}

/// The date of so many milliseconds.
fn date(at: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at).unwrap_or_default()
}
