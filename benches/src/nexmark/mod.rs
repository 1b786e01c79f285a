//! Queries of Nexmark: by this library, as `examples/nexmark` states them, and by hand on timely's own operators.
//!
//! Both read the same events, put out the same lines, and the check is a sum over the lines. Only q1, which puts out
//! nearly every event, has rows instead of lines in both programs: otherwise most of its time would be that of making text.

use std::error::Error;
use std::fmt;
use std::time::Instant;

use bytewax::prelude::Stream;
use bytewax_nexmark::{Event, Events, queries};
use clap::{Args, ValueEnum};

use crate::case::{at_least_one, number};
use crate::mix::fnv1a;
use crate::report::Report;

mod ours;
mod timely;

/// A query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "`bytewax_nexmark::queries` describes them")]
pub enum Query {
    Q0,
    Q1,
    Q2,
    Q3,
    Q4,
    Q5,
    Q6,
    Q7,
    Q8,
    Q9,
    Q10,
    Q11,
    Q12,
    Q13,
    Q14,
    Q15,
    Q16,
    Q17,
    Q18,
    Q19,
    Q20,
    Q21,
    Q22,
}

impl Query {
    /// Those that there are by hand on timely's operators, too.
    pub const COMPARED: [Query; 7] = [
        Query::Q1,
        Query::Q2,
        Query::Q3,
        Query::Q4,
        Query::Q5,
        Query::Q7,
        Query::Q8,
    ];

    /// The query as the example states it: from events to lines.
    fn lines(self) -> bytewax_nexmark::Query {
        match self {
            Query::Q0 => queries::q0,
            Query::Q1 => queries::q1,
            Query::Q2 => queries::q2,
            Query::Q3 => queries::q3,
            Query::Q4 => queries::q4,
            Query::Q5 => queries::q5,
            Query::Q6 => queries::q6,
            Query::Q7 => queries::q7,
            Query::Q8 => queries::q8,
            Query::Q9 => queries::q9,
            Query::Q10 => queries::q10,
            Query::Q11 => queries::q11,
            Query::Q12 => queries::q12,
            Query::Q13 => queries::q13,
            Query::Q14 => queries::q14,
            Query::Q15 => queries::q15,
            Query::Q16 => queries::q16,
            Query::Q17 => queries::q17,
            Query::Q18 => queries::q18,
            Query::Q19 => queries::q19,
            Query::Q20 => queries::q20,
            Query::Q21 => queries::q21,
            Query::Q22 => queries::q22,
        }
    }
}

/// The program that computes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Implementation {
    /// This project's library.
    Bytewax,
    /// Written by hand on timely's own operators, one for each step.
    Timely,
    /// This project's library with lines in q1, too: the programs of the example as they are.
    Lines,
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::case::name(self, f)
    }
}

impl fmt::Display for Implementation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::case::name(self, f)
    }
}

/// One run of one program.
#[derive(Args, Clone, Copy, Debug)]
pub struct Case {
    /// The query.
    pub query: Query,
    /// The program that computes it.
    #[arg(long = "impl", default_value = "bytewax")]
    pub implementation: Implementation,
    /// The number of worker threads.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    pub workers: usize,
    /// The number of events.
    #[arg(long, default_value_t = 5_000_000, value_parser = number)]
    pub events: u64,
    /// How many events there are in a second of event time.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
}

impl Case {
    /// The events, with a partition for each worker.
    pub fn events(&self) -> Events {
        Events {
            events: self.events,
            partitions: self.workers as u64,
            rate: self.rate,
        }
    }
}

/// Runs one case in this process, all of it: the clock starts before the program builds anything and stops once its
/// threads have ended.
pub fn run(case: &Case) -> Result<Report, Box<dyn Error + Send + Sync>> {
    let Case { query, workers, .. } = *case;
    let start = Instant::now();
    let check = match case.implementation {
        Implementation::Timely => timely::run(query, case.events(), workers)?,
        Implementation::Bytewax if query == Query::Q1 => {
            ours::run(q1, case.events(), workers, |check, rows| {
                rows.iter().for_each(|row| check.add(checked_euros(row)));
            })?
        }
        Implementation::Bytewax | Implementation::Lines => {
            ours::run(query.lines(), case.events(), workers, |check, lines| {
                lines.iter().for_each(|line| check.add(checked_line(line)));
            })?
        }
    };
    let took = start.elapsed();
    let check = match query {
        // Its windows are of the time at which the bids arrive.
        Query::Q12 => "none".to_owned(),
        _ => check.to_string(),
    };
    let names = [query.to_string(), case.implementation.to_string()];
    Ok(Report::new(names, workers, case.events, took, check))
}

/// A row of q1: the auction, the bidder, the price in euros and the time.
type Euros = (u64, u64, u64, i64);

/// The prices of bids in euros, as rows.
fn q1(events: Stream<Event>) -> Stream<Euros> {
    let bids = events.filter_map(|event| match event {
        Event::Bid(bid) => Some(bid),
        _ => None,
    });
    bids.map(|bid| {
        let cents = bid.price * 908 / 1000;
        (bid.auction, bid.bidder, cents, bid.at)
    })
}

/// What a row adds to the check.
fn checked_euros((auction, bidder, cents, at): &Euros) -> u64 {
    (auction * 31 + bidder * 17 + *at as u64).wrapping_mul(*cents)
}

/// What a line adds to the check.
fn checked_line(line: &String) -> u64 {
    fnv1a(line.as_bytes())
}
