//! Models of queries of bids, one by one.

use super::bids;
use crate::{Bid, Events};

/// The seconds of the day at a time in milliseconds.
fn second_of_day(at: i64) -> i64 {
    at.div_euclid(1000).rem_euclid(86_400)
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

/// The model of [`q10`](crate::queries::q10): all events are of two days.
#[must_use]
pub fn q10(events: Events) -> Vec<String> {
    let line = |bid: Bid| {
        let day = 15 + (bid.at - 1_436_918_400_000).div_euclid(86_400_000);
        let second = second_of_day(bid.at);
        let (hour, minute) = (second / 3600, second / 60 % 60);
        let Bid {
            auction,
            bidder,
            price,
            at,
            extra,
            ..
        } = bid;
        format!("2015-07-{day},{hour:02}:{minute:02},{auction},{bidder},{price},{at},{extra}")
    };
    bids(events).map(line).collect()
}

/// The model of [`q13`](crate::queries::q13).
#[must_use]
pub fn q13(events: Events) -> Vec<String> {
    let line = |bid: Bid| {
        let binary = format!("{:b}", bid.auction % 10_000);
        format!(
            "{},{},{},{},{binary}",
            bid.auction, bid.bidder, bid.price, bid.at
        )
    };
    bids(events).map(line).collect()
}

/// The model of [`q14`](crate::queries::q14).
#[must_use]
pub fn q14(events: Events) -> Vec<String> {
    let mut lines = Vec::new();
    for bid in bids(events) {
        let price = format!("{:.3}", bid.price as f64 * 0.908);
        let euros: f64 = price.parse().unwrap_or_default();
        if euros <= 1_000_000.0 || euros >= 50_000_000.0 {
            continue;
        }
        let hour = second_of_day(bid.at) / 3600;
        let part = if (8..=18).contains(&hour) {
            "dayTime"
        } else if hour <= 6 || hour >= 20 {
            "nightTime"
        } else {
            "otherTime"
        };
        let count = bid.extra.bytes().filter(|byte| *byte == b'c').count();
        lines.push(format!(
            "{},{},{price},{part},{},{},{count}",
            bid.auction, bid.bidder, bid.at, bid.extra
        ));
    }
    lines
}

/// The model of [`q21`](crate::queries::q21).
#[must_use]
pub fn q21(events: Events) -> Vec<String> {
    let names = ["Apple", "Google", "Facebook", "Baidu"];
    let mut lines = Vec::new();
    for bid in bids(events) {
        let channel = match names.iter().position(|name| *name == bid.channel) {
            Some(number) => number.to_string(),
            None => match bid.url.split_once("&channel_id=") {
                Some((_, rest)) => rest.to_owned(),
                None => continue,
            },
        };
        lines.push(format!(
            "{},{},{},{},{channel}",
            bid.auction, bid.bidder, bid.price, bid.channel
        ));
    }
    lines
}

/// The model of [`q22`](crate::queries::q22).
#[must_use]
pub fn q22(events: Events) -> Vec<String> {
    let line = |bid: Bid| {
        let path = bid.url.trim_start_matches("https://www.nexmark.com/");
        let directories: Vec<_> = path.split('/').take(3).collect();
        format!(
            "{},{},{},{},{}",
            bid.auction,
            bid.bidder,
            bid.price,
            bid.channel,
            directories.join(",")
        )
    };
    bids(events).map(line).collect()
}
