//! Determines which partitions of which topics are read.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::metadata::MetadataTopic;

use super::super::context::Context;
use super::super::error::Error;
use super::super::settings::is_transient;

/// The time-out of a request.
pub(super) const ASK: Duration = Duration::from_secs(2);

/// The pause before a retry.
const AGAIN: Duration = Duration::from_millis(50);

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TopicPartition {
    pub(super) topic: String,
    pub(super) number: i32,
}

impl TopicPartition {
    /// Its name in a flow.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.topic, self.number)
    }

    /// Parses the name of a partition.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (topic, number) = name.rsplit_once('/')?;
        Some(Self {
            topic: topic.to_owned(),
            number: number.parse().ok()?,
        })
    }
}

/// The topics or partitions to read.
#[derive(Clone, Debug)]
pub(super) enum Selection {
    Topics(Vec<String>),
    /// The topics whose whole name a regular expression matches.
    Pattern(String),
    Partitions(Vec<TopicPartition>),
}

impl Selection {
    /// The partitions that exist now.
    pub(super) fn list(
        &self,
        consumer: &BaseConsumer<Context>,
        brokers: &str,
        timeout: Duration,
    ) -> Result<Vec<TopicPartition>, Error> {
        let asking = Asking {
            consumer,
            brokers,
            timeout,
            until: Instant::now() + timeout,
        };
        match self {
            Self::Topics(topics) => {
                let counts = topics.iter().map(|topic| Ok((topic, asking.count(topic)?)));
                let counts = counts.collect::<Result<Vec<_>, Error>>()?;
                Ok(counts
                    .into_iter()
                    .flat_map(|(topic, count)| all(topic, count))
                    .collect())
            }
            Self::Pattern(pattern) => asking.matching(pattern),
            Self::Partitions(partitions) => {
                let mut counts: Vec<(&str, i32)> = Vec::new();
                for TopicPartition { topic, number } in partitions {
                    let known = counts.iter().find(|(known, _)| *known == topic.as_str());
                    let count = match known {
                        Some((_, count)) => *count,
                        None => {
                            let count = asking.count(topic)?;
                            counts.push((topic.as_str(), count));
                            count
                        }
                    };
                    if !(0..count).contains(number) {
                        return Err(Error::NoPartition {
                            topic: topic.clone(),
                            partition: *number,
                            count: usize::try_from(count).unwrap_or_default(),
                        });
                    }
                }
                Ok(partitions.clone())
            }
        }
    }
}

fn all(topic: &str, count: i32) -> impl Iterator<Item = TopicPartition> {
    (0..count).map(move |number| TopicPartition {
        topic: topic.to_owned(),
        number,
    })
}

/// Repeats a request until the brokers respond.
struct Asking<'a> {
    consumer: &'a BaseConsumer<Context>,
    brokers: &'a str,
    timeout: Duration,
    until: Instant,
}

/// The result of a request.
enum Answered<T> {
    Yes(T),
    /// Retry.
    NotYet,
}

impl Asking<'_> {
    /// The number of partitions of a topic.
    fn count(&self, topic: &str) -> Result<i32, Error> {
        self.ask(Some(topic), |topics| {
            let Some(found) = topics.iter().find(|found| found.name() == topic) else {
                return Ok(Answered::NotYet);
            };
            match found.error().map(RDKafkaErrorCode::from) {
                None | Some(RDKafkaErrorCode::NoError) => {
                    let count = found.partitions().len();
                    Ok(Answered::Yes(i32::try_from(count).unwrap_or(i32::MAX)))
                }
                Some(code) if is_transient(code) => Ok(Answered::NotYet),
                Some(_) => Err(Error::NoTopic {
                    topic: topic.to_owned(),
                    brokers: self.brokers.to_owned(),
                }),
            }
        })
    }

    /// The partitions of all topics that a pattern matches.
    fn matching(&self, pattern: &str) -> Result<Vec<TopicPartition>, Error> {
        let regex = regex_lite::Regex::new(&format!("^(?:{pattern})$"));
        let regex = regex.map_err(|error| Error::Pattern {
            pattern: pattern.to_owned(),
            why: format!("is no regular expression: {error}"),
        })?;
        self.ask(None, |topics| {
            let mut found: Vec<_> = topics
                .iter()
                .filter(|topic| !topic.name().starts_with("__") && regex.is_match(topic.name()))
                .flat_map(|topic| {
                    let count = i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX);
                    all(topic.name(), count)
                })
                .collect();
            found.sort();
            Ok(Answered::Yes(found))
        })
    }

    fn ask<T>(
        &self,
        topic: Option<&str>,
        answer: impl Fn(&[MetadataTopic]) -> Result<Answered<T>, Error>,
    ) -> Result<T, Error> {
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            let asked = self.consumer.fetch_metadata(topic, left.clamp(AGAIN, ASK));
            serve(self.consumer);
            let why = match asked {
                Ok(metadata) => match answer(metadata.topics())? {
                    Answered::Yes(found) => return Ok(found),
                    Answered::NotYet => "the topic has no leader yet".to_owned(),
                },
                Err(error) => error.to_string(),
            };
            let context = self.consumer.context();
            context.check_run()?;
            if let Some(why) = context.refusal() {
                return Err(Error::Refused {
                    brokers: self.brokers.to_owned(),
                    why,
                });
            }
            if Instant::now() >= self.until {
                return Err(Error::Unreachable {
                    brokers: self.brokers.to_owned(),
                    seconds: self.timeout.as_secs(),
                    why: context.take_last().unwrap_or(why),
                });
            }
            std::thread::sleep(AGAIN);
        }
    }
}

/// Serves all pending events of a client.
pub(super) fn serve(consumer: &BaseConsumer<Context>) {
    loop {
        let before = consumer.context().served();
        let polled = consumer.poll(Duration::ZERO).is_some();
        if !polled && consumer.context().served() == before {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_partitions() {
        let partition = TopicPartition {
            topic: "orders.eu-1".to_owned(),
            number: 12,
        };
        assert_eq!(partition.name(), "orders.eu-1/12");
        assert_eq!(TopicPartition::parse("orders.eu-1/12"), Some(partition));
        assert_eq!(TopicPartition::parse("orders"), None);
        assert_eq!(TopicPartition::parse("orders/x"), None);
    }
}
