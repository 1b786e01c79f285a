//! The events, as the crate `nexmark` generates them.

use bytewax::StepError;
use bytewax::chrono::TimeDelta;
use bytewax::prelude::*;
use bytewax::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};
use bytewax::windowing::Millis;
use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;

/// Somebody who sells or bids.
#[stateful]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The number of the person.
    pub id: u64,
    /// The name.
    pub name: String,
    /// The address for mail.
    pub email_address: String,
    /// The number of a card.
    pub credit_card: String,
    /// The city.
    pub city: String,
    /// The state, in two letters.
    pub state: String,
    /// When the person has registered, in milliseconds.
    pub at: i64,
    /// Text of no meaning, so that a person has the size that it has in practice.
    pub extra: String,
}

/// An auction that begins.
#[stateful]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auction {
    /// The number of the auction.
    pub id: u64,
    /// The name of the thing.
    pub item_name: String,
    /// What it is.
    pub description: String,
    /// The first price, in cents.
    pub initial_bid: u64,
    /// The least price at which it is sold, in cents; the queries sell at any.
    pub reserve: u64,
    /// Who sells.
    pub seller: u64,
    /// What kind of thing it is.
    pub category: u64,
    /// When it ends, in milliseconds.
    pub expires: i64,
    /// When it begins, in milliseconds.
    pub at: i64,
    /// Text of no meaning.
    pub extra: String,
}

/// A bid.
#[stateful]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bid {
    /// The number of the auction.
    pub auction: u64,
    /// Who bids.
    pub bidder: u64,
    /// How many cents.
    pub price: u64,
    /// Where it comes from.
    pub channel: String,
    /// The address of the page.
    pub url: String,
    /// When, in milliseconds.
    pub at: i64,
    /// Text of no meaning.
    pub extra: String,
}

/// What happens.
#[stateful]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A person registers.
    Person(Person),
    /// An auction begins.
    Auction(Auction),
    /// Somebody bids.
    Bid(Bid),
}

impl Event {
    /// When it happens.
    #[must_use]
    pub fn at(&self) -> Millis {
        Millis(match self {
            Self::Person(person) => person.at,
            Self::Auction(auction) => auction.at,
            Self::Bid(bid) => bid.at,
        })
    }
}

impl From<nexmark::event::Event> for Event {
    fn from(event: nexmark::event::Event) -> Self {
        match event {
            nexmark::event::Event::Person(person) => Self::Person(Person {
                id: person.id as u64,
                name: person.name,
                email_address: person.email_address,
                credit_card: person.credit_card,
                city: person.city,
                state: person.state,
                at: person.date_time as i64,
                extra: person.extra,
            }),
            nexmark::event::Event::Auction(auction) => Self::Auction(Auction {
                id: auction.id as u64,
                item_name: auction.item_name,
                description: auction.description,
                initial_bid: auction.initial_bid as u64,
                reserve: auction.reserve as u64,
                seller: auction.seller as u64,
                category: auction.category as u64,
                expires: auction.expires as i64,
                at: auction.date_time as i64,
                extra: auction.extra,
            }),
            nexmark::event::Event::Bid(bid) => Self::Bid(Bid {
                auction: bid.auction as u64,
                bidder: bid.bidder as u64,
                price: bid.price as u64,
                channel: bid.channel,
                url: bid.url,
                at: bid.date_time as i64,
                extra: bid.extra,
            }),
        }
    }
}

/// How many events are shuffled with each other.
const GROUP: usize = 50;

/// The first events of the benchmark, dealt to partitions.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Events {
    /// How many events there are.
    #[arg(long, default_value_t = 100_000)]
    pub events: u64,
    /// How many partitions they come from.
    #[arg(long, default_value_t = 4)]
    pub partitions: u64,
    /// How many events there are in a second of event time.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
}

impl Events {
    /// Events that begin with this one, of every `step`th.
    fn from(self, first: u64, step: u64) -> EventGenerator {
        let config = NexmarkConfig {
            // Noon of 2015-07-15.
            base_time: 1_436_961_600_000,
            first_rate: self.rate as usize,
            next_rate: self.rate as usize,
            out_of_order_group_size: GROUP,
            ..NexmarkConfig::default()
        };
        EventGenerator::new(config)
            .with_offset(first)
            .with_step(step)
    }

    /// How late an event can be: as many as are shuffled with each other come before it.
    #[must_use]
    pub fn disorder(self) -> TimeDelta {
        TimeDelta::milliseconds(GROUP as i64 * 1000 / i64::from(self.rate) + 1000)
    }

    /// The events of one partition, in the order in which it has them.
    pub fn of(self, partition: u64) -> impl Iterator<Item = Event> {
        let step = self.partitions.max(1);
        let count = self.events.saturating_sub(partition).div_ceil(step);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.from(partition, step).take(count).map(Event::from)
    }

    /// All events.
    pub fn all(self) -> impl Iterator<Item = Event> {
        let events = usize::try_from(self.events).unwrap_or(usize::MAX);
        self.from(0, 1).take(events).map(Event::from)
    }
}

impl FixedPartitionedSource for Events {
    type Item = Event;
    type Position = u64;
    type Partition = Part;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok((0..self.partitions.max(1))
            .map(|part| part.to_string())
            .collect())
    }

    fn open(&self, partition: &str, position: Option<u64>) -> Result<Part, StepError> {
        let next = match position {
            Some(next) => next,
            None => partition.parse()?,
        };
        let step = self.partitions.max(1);
        Ok(Part {
            generator: self.from(next, step),
            next,
            step,
            end: self.events,
        })
    }
}

/// One partition of the events.
#[derive(Debug)]
pub struct Part {
    generator: EventGenerator,
    next: u64,
    step: u64,
    end: u64,
}

/// So many events are generated at once.
const BATCH: u64 = 500;

impl StatefulSourcePartition for Part {
    type Item = Event;
    type Position = u64;

    fn next_batch(&mut self) -> Result<Poll<Event>, StepError> {
        let left = self.end.saturating_sub(self.next).div_ceil(self.step);
        if left == 0 {
            return Ok(Poll::end());
        }
        let count = left.min(BATCH);
        self.next += count * self.step;
        let events = self.generator.by_ref().take(count as usize);
        Ok(Poll::batch(events.map(Event::from).collect()))
    }

    fn snapshot(&self) -> u64 {
        self.next
    }
}
