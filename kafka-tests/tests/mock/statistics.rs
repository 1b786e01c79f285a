//! What clients report of themselves.

use std::thread;
use std::time::{Duration, Instant};

use bytewax::connectors::kafka::{
    KafkaMessage, KafkaSink, KafkaSource, KafkaStatistics, PartitionStatistics,
};
use bytewax::prelude::*;
use bytewax::source::Poll;
use bytewax::{Monitor, RunConfig, StepError};
use kafka_tests::{PATIENCE, produce};

use super::util::{cluster, read_some};

/// Whether something comes to hold; it only catches hangs.
fn comes(mut holds: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while !holds() {
        if begun.elapsed() > PATIENCE {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    true
}

/// The partition that has messages.
fn first(statistics: &KafkaStatistics) -> PartitionStatistics {
    let mut partitions = statistics.partitions().into_iter();
    partitions.find(|it| it.number == 0).unwrap_or_default()
}

#[test]
fn a_source_reports_lag_and_throughput() {
    let (_cluster, brokers) = cluster(1, &[("words", 2)]);
    produce(&brokers, "words", 0, ["a", "b", "c"]);
    let (statistics, monitor) = (KafkaStatistics::new(), Monitor::new());
    let source = KafkaSource::new(&brokers, ["words"])
        .statistics(&statistics)
        .setting("statistics.interval.ms", "50");
    let run = RunConfig::new().monitor(&monitor);
    let mut reported = None;
    let read = read_some(source, &run, 4, |count| {
        if count != 3 {
            return;
        }
        let lag_is_known = comes(|| first(&statistics).lag == Some(0));
        // What the metrics read.
        let lag_is_measured = comes(|| {
            let report = monitor.report();
            let step = report
                .as_ref()
                .and_then(|report| report.step("read.messages"));
            let partitions = step.map(|step| step.workers[0].partitions.as_slice());
            partitions.unwrap_or_default().iter().any(|partition| {
                let lag = partition.lag.and_then(|lag| lag.messages);
                partition.name == "words/0" && lag == Some(0)
            })
        });
        reported = Some((lag_is_known, lag_is_measured, first(&statistics)));
        produce(&brokers, "words", 0, ["d"]);
    });
    assert_eq!(read.unwrap().len(), 4);
    let (lag_is_known, lag_is_measured, reported) = reported.unwrap();
    assert!(lag_is_known, "{reported:?}");
    assert!(lag_is_measured, "{reported:?}");
    assert_eq!((reported.topic.as_str(), reported.messages), ("words", 3));
    assert_eq!((reported.queued_messages, reported.bytes > 0), (0, true));
    assert!(statistics.partitions().is_empty());
}

/// Numbers, until the sink has reported that it has sent some.
#[source]
fn until_reported(
    statistics: &KafkaStatistics,
    #[local(Instant::now())] begun: &mut Instant,
) -> Result<Poll<u64>, StepError> {
    if first(statistics).messages > 0 {
        return Ok(Poll::end());
    }
    if begun.elapsed() > PATIENCE {
        return Err(StepError::msg("the statistics do not come"));
    }
    Ok(Poll::item(1).wait(Duration::from_millis(5)))
}

#[test]
fn a_sink_reports_what_it_has_sent() {
    let (_cluster, brokers) = cluster(1, &[("words", 1)]);
    let statistics = KafkaStatistics::new();
    let sink = KafkaSink::new(&brokers, "words")
        .append()
        .statistics(&statistics)
        .setting("statistics.interval.ms", "50");
    let source = until_reported(statistics.clone());
    let flow = Dataflow::build("write", |flow| {
        let numbers = flow.input(source).named("numbers");
        let messages = numbers.map(|number| KafkaMessage::new(number.to_string()));
        messages.output(sink).named("out");
    });
    RunConfig::new().run(flow).unwrap();
    assert!(statistics.partitions().is_empty());
}
