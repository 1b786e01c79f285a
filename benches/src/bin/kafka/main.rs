//! Topics of Kafka, against bare loops of the client: messages from topic to topic, as they come or in transactions, and the time until the
//! first message of a flow that resumes many partitions. `.ci/kafka` starts a broker:
//!
//! ```text
//! .ci/kafka cargo run --profile bench -p bytewax-benches --features kafka,mimalloc --bin kafka
//! ```

// Of the tests, whose package is never published, so that this one cannot depend on it.
#[path = "../../../../kafka-tests/src/admin.rs"]
#[allow(dead_code, unreachable_pub)]
mod admin;
mod bare;
mod flows;

use std::error::Error;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use admin::{create_topic, delete_topic};

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// How long brokers may take: it only catches hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Compares flows that read and write topics with bare loops of the client.
#[derive(Debug, Parser)]
struct Arguments {
    /// The addresses of brokers
    #[arg(long, env = "KAFKA_BOOTSTRAP")]
    brokers: String,
    /// What is measured; all of it, unless set
    #[arg(long)]
    case: Option<Case>,
    /// Which program is run; without it both are, in turn, and the least times are compared
    #[arg(long)]
    program: Option<Program>,
    /// How many messages are copied
    #[arg(long, default_value_t = 1_000_000)]
    messages: usize,
    /// How long the value of a message is
    #[arg(long, default_value_t = 200)]
    bytes: usize,
    /// How many partitions each topic has that is copied
    #[arg(long, default_value_t = 4)]
    partitions: i32,
    /// How long a transaction lasts, in milliseconds
    #[arg(long, default_value_t = 1000)]
    interval: u64,
    /// How many partitions are resumed
    #[arg(long, default_value_t = 64)]
    resumed: i32,
    /// How often each program is run
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Case {
    /// Messages from topic to topic, as they come.
    Append,
    /// The same in transactions.
    ExactlyOnce,
    /// The first message of many partitions that are resumed.
    FirstMessage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Program {
    Loop,
    Flow,
}

/// What is copied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copy<'a> {
    pub(crate) brokers: &'a str,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) partitions: i32,
    pub(crate) interval: Duration,
}

/// Writes messages to a topic, to its partitions in turn.
fn fill(
    brokers: &str,
    topic: &str,
    partitions: i32,
    messages: usize,
    bytes: usize,
) -> Result<(), Failure> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("linger.ms", "20")
        .create()?;
    let mut value = vec![b'x'; bytes];
    for number in 0..messages {
        let key = format!("{:08}", number % 100_000);
        // No two values in a row are equal.
        let shown = number.to_le_bytes();
        let length = shown.len().min(bytes);
        value[..length].copy_from_slice(&shown[..length]);
        let mut record = BaseRecord::to(topic)
            .key(&key)
            .payload(&value)
            .partition(i32::try_from(number)? % partitions);
        while let Err((error, refused)) = producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            producer.poll(Duration::from_millis(5));
            record = refused;
        }
    }
    Ok(producer.flush(PATIENCE)?)
}

/// How many messages a topic has that a reader sees, with the marks of transactions.
fn ends(brokers: &str, topic: &str, partitions: i32) -> Result<i64, Failure> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "ends")
        .create()?;
    let mut all = 0;
    for partition in 0..partitions {
        let (low, high) = consumer.fetch_watermarks(topic, partition, PATIENCE)?;
        all += high - low;
    }
    Ok(all)
}

impl Arguments {
    fn run(&self, case: Case, program: Program, from: &str) -> Result<Duration, Failure> {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let to = format!("{from}-to-{number}");
        if case != Case::FirstMessage {
            // What is deleted makes room at once.
            let settings = [("file.delete.delay.ms", "100")];
            create_topic(&self.brokers, &to, self.partitions, &settings);
        }
        let copy = Copy {
            brokers: &self.brokers,
            from,
            to: &to,
            partitions: self.partitions,
            interval: Duration::from_millis(self.interval),
        };
        let start = Instant::now();
        match (case, program) {
            (Case::Append, Program::Loop) => bare::append(&copy)?,
            (Case::Append, Program::Flow) => flows::append(&copy)?,
            (Case::ExactlyOnce, Program::Loop) => bare::exactly_once(&copy)?,
            (Case::ExactlyOnce, Program::Flow) => flows::exactly_once(&copy)?,
            (Case::FirstMessage, Program::Loop) => {
                return bare::first_message(&self.brokers, from, self.resumed);
            }
            (Case::FirstMessage, Program::Flow) => {
                return flows::first_message(&self.brokers, from);
            }
        }
        let time = start.elapsed();
        let written = ends(&self.brokers, &to, self.partitions)?;
        if written < i64::try_from(self.messages)? {
            return Err(format!("{program:?} has written {written} messages").into());
        }
        delete_topic(&self.brokers, &to);
        Ok(time)
    }

    /// Makes what is read.
    fn prepare(&self, case: Case) -> Result<String, Failure> {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed()?.as_millis();
        let from = format!("bench-{now}");
        match case {
            Case::Append | Case::ExactlyOnce => {
                create_topic(&self.brokers, &from, self.partitions, &[]);
                fill(
                    &self.brokers,
                    &from,
                    self.partitions,
                    self.messages,
                    self.bytes,
                )?;
            }
            Case::FirstMessage => {
                create_topic(&self.brokers, &from, self.resumed, &[]);
                let resumed = usize::try_from(self.resumed)?;
                fill(&self.brokers, &from, self.resumed, resumed, self.bytes)?;
                flows::read_all(&self.brokers, &from)?;
                // Each position has one message behind it.
                fill(&self.brokers, &from, self.resumed, resumed, self.bytes)?;
            }
        }
        Ok(from)
    }

    fn compare(&self, case: Case) -> Result<(), Failure> {
        let from = self.prepare(case)?;
        let programs = [Program::Loop, Program::Flow];
        let chosen = |program: &Program| self.program.is_none_or(|chosen| chosen == *program);
        let mut least = [Duration::MAX; 2];
        for round in 1..=self.rounds {
            for (least, program) in least.iter_mut().zip(programs) {
                if chosen(&program) {
                    let time = self.run(case, program, &from)?;
                    println!(
                        "{case:?}, round {round}, {program:?}: {:.3} s",
                        time.as_secs_f64()
                    );
                    *least = time.min(*least);
                }
            }
        }
        let [bare, flow] = least.map(|time| time.as_secs_f64());
        match case {
            _ if self.program.is_some() => {}
            Case::FirstMessage => println!(
                "{case:?}: {bare:.3} s by the loop, {flow:.3} s by the flow, {:.3} s more",
                flow - bare
            ),
            _ => println!(
                "{case:?}: {bare:.2} s by the loop, {flow:.2} s by the flow, {:.2} of its speed",
                bare / flow
            ),
        }
        delete_topic(&self.brokers, &from);
        Ok(())
    }
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    println!("allocator: {}", bytewax_benches::ALLOCATOR_NAME);
    let all = [Case::Append, Case::ExactlyOnce, Case::FirstMessage];
    let chosen = |case: &Case| arguments.case.is_none_or(|chosen| chosen == *case);
    for case in all.into_iter().filter(chosen) {
        arguments.compare(case)?;
    }
    Ok(())
}
