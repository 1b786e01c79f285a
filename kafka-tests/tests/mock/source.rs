//! What a source reads, and where it begins and goes on.

use std::time::Duration;

use bytewax::RunConfig;
use bytewax::chrono::{DateTime, TimeDelta};
use bytewax::connectors::kafka::{DecodeError, KafkaMessage, KafkaSource, LostOffset};
use bytewax::prelude::*;
use bytewax::testing::connector::check_source;
use bytewax::testing::{TestingSink, run_main};
use bytewax::windowing::{Lateness, StreamClock, TumblingWindower};
use kafka_tests::{committed, produce, saving};

use super::util::{cluster, read, read_some};

#[test]
fn all_of_a_message_is_there() {
    let (_cluster, brokers) = cluster(1, &[("words", 1)]);
    produce(&brokers, "words", 0, ["a", "b"]);
    let out = TestingSink::new();
    let flow = Dataflow::build("words", |flow| {
        let source = KafkaSource::new(&brokers, ["words"]).stop_at_end();
        flow.input(source)
            .named("words")
            .output(out.clone())
            .named("out");
    });
    run_main(flow).unwrap();
    let read: Vec<KafkaMessage> = out.take();
    assert_eq!(read.len(), 2);
    let second = &read[1];
    assert_eq!(second.value_bytes(), b"b");
    assert_eq!(second.key_bytes(), Some(b"1".as_slice()));
    assert_eq!(second.header("number"), Some(b"1".as_slice()));
    assert_eq!(second.timestamp().unwrap().timestamp_millis(), 1001);
    assert_eq!(
        (second.topic(), second.partition(), second.offset()),
        (Some("words"), Some(0), Some(1))
    );
    assert!(!second.is_tombstone());
}

#[test]
fn it_goes_on_wherever_it_is_stopped() {
    let (_cluster, brokers) = cluster(1, &[("left", 2), ("right", 1)]);
    produce(&brokers, "left", 0, ["a", "b", "c"]);
    produce(&brokers, "left", 1, ["d"]);
    produce(&brokers, "right", 0, ["e", "f"]);
    let make = || {
        KafkaSource::new(&brokers, ["left", "right"])
            .batch_messages(1)
            .stop_at_end()
    };
    let items = check_source(make).unwrap();
    let values = |(name, items): &(String, Vec<KafkaMessage>)| {
        let values = items
            .iter()
            .map(|it| String::from_utf8_lossy(it.value_bytes()).into_owned());
        (name.clone(), values.collect::<Vec<_>>().concat())
    };
    let read: Vec<(String, String)> = items.iter().map(values).collect();
    let expect = [("left/0", "abc"), ("left/1", "d"), ("right/0", "ef")];
    assert_eq!(
        read,
        expect.map(|(name, values)| (name.to_owned(), values.to_owned()))
    );
}

#[test]
fn topics_by_pattern_and_partitions_by_number() {
    let (_cluster, brokers) = cluster(1, &[("log.eu", 1), ("log.us", 2), ("other", 1)]);
    produce(&brokers, "log.eu", 0, ["eu"]);
    produce(&brokers, "log.us", 1, ["us"]);
    produce(&brokers, "other", 0, ["other"]);
    let source = KafkaSource::pattern(&brokers, r"log\..*").stop_at_end();
    assert_eq!(
        read(source, &RunConfig::new()).unwrap(),
        ["log.eu/0@0=eu", "log.us/1@0=us"]
    );
    let source = KafkaSource::partitions(&brokers, [("log.us", 1)]).stop_at_end();
    assert_eq!(
        read(source, &RunConfig::new().workers(2)).unwrap(),
        ["log.us/1@0=us"]
    );
}

#[test]
fn a_start_at_the_end_is_saved_before_anything_is_read() {
    let (_cluster, brokers) = cluster(1, &[("words", 2)]);
    produce(&brokers, "words", 0, ["before"]);
    let dir = tempfile::tempdir().unwrap();
    let source = || {
        KafkaSource::new(&brokers, ["words"])
            .from_end()
            .stop_at_end()
    };
    assert_eq!(read(source(), &saving(dir.path())).unwrap(), [""; 0]);
    // While it is down.
    produce(&brokers, "words", 0, ["after"]);
    produce(&brokers, "words", 1, ["beside"]);
    let all = read(source(), &saving(dir.path()).workers(2)).unwrap();
    assert_eq!(all, ["words/0@1=after", "words/1@0=beside"]);
    assert_eq!(read(source(), &saving(dir.path())).unwrap(), [""; 0]);
}

#[test]
fn a_start_at_given_offsets() {
    let (_cluster, brokers) = cluster(1, &[("words", 2)]);
    produce(&brokers, "words", 0, ["a", "b", "c"]);
    produce(&brokers, "words", 1, ["d"]);
    let source = KafkaSource::new(&brokers, ["words"])
        .from_offsets([("words", 0, 2)])
        .stop_at_end();
    let all = read(source, &RunConfig::new()).unwrap();
    assert_eq!(all, ["words/0@2=c", "words/1@0=d"]);
}

#[test]
fn offsets_that_are_gone() {
    let (_cluster, brokers) = cluster(1, &[("words", 1)]);
    produce(&brokers, "words", 0, ["a", "b"]);
    let source = || KafkaSource::new(&brokers, ["words"]).from_offsets([("words", 0, 7)]);
    let error = read_some(source(), &RunConfig::new(), 1, |_| {}).unwrap_err();
    let report = error.report();
    assert!(
        report.contains("partition `words/0`")
            && report
                .contains("the messages at offset 7 of the topic `words`, partition 0, are gone")
            && report.contains("`on_lost_offset`"),
        "{report}"
    );
    let source = source().on_lost_offset(LostOffset::Beginning);
    let all = read_some(source, &RunConfig::new(), 2, |_| {}).unwrap();
    assert_eq!(all, ["words/0@0=a", "words/0@1=b"]);
}

#[test]
fn offsets_of_complete_epochs_are_committed_to_the_group() {
    let (_cluster, brokers) = cluster(1, &[("words", 2)]);
    produce(&brokers, "words", 0, ["a", "b"]);
    produce(&brokers, "words", 1, ["c"]);
    let source = || {
        KafkaSource::new(&brokers, ["words"])
            .group("reading")
            .stop_at_end()
    };
    assert_eq!(read(source(), &RunConfig::new()).unwrap().len(), 3);
    assert_eq!(committed(&brokers, "reading", "words", 0), Some(2));
    assert_eq!(committed(&brokers, "reading", "words", 1), Some(1));
    // They are never read back.
    assert_eq!(read(source(), &RunConfig::new()).unwrap().len(), 3);
}

#[test]
fn what_is_added_while_it_runs_is_read() {
    let (cluster, brokers) = cluster(1, &[("log-a", 1)]);
    produce(&brokers, "log-a", 0, ["a"]);
    let source = KafkaSource::pattern(&brokers, "log-.*")
        .from_end()
        .from_offsets([("log-a", 0, 0)])
        .list_every(Duration::from_millis(20));
    let all = read_some(source, &RunConfig::new().workers(2), 4, |count| {
        if count == 1 {
            cluster.create_topic("log-b", 2, 1).unwrap();
            produce(&brokers, "log-b", 0, ["b"]);
            produce(&brokers, "log-b", 1, ["c", "d"]);
        }
    });
    let all = all.unwrap();
    assert_eq!(
        all,
        ["log-a/0@0=a", "log-b/0@0=b", "log-b/1@0=c", "log-b/1@1=d"]
    );
}

#[test]
fn a_flow_that_reads_on_is_woken() {
    let (_cluster, brokers) = cluster(1, &[("words", 1)]);
    produce(&brokers, "words", 0, ["0"]);
    let source = KafkaSource::new(&brokers, ["words"]);
    let all = read_some(source, &RunConfig::new(), 5, |count| {
        produce(&brokers, "words", 0, [count.to_string()]);
    });
    let expect: Vec<String> = (0..5).map(|n| format!("words/0@{n}={n}")).collect();
    assert_eq!(all.unwrap(), expect);
}

#[test]
fn what_is_no_json_says_where_it_is() {
    let (_cluster, brokers) = cluster(1, &[("words", 1)]);
    produce(&brokers, "words", 0, ["1", "x"]);
    let (good, bad) = (TestingSink::new(), TestingSink::new());
    let flow = Dataflow::build("words", |flow| {
        let source = KafkaSource::new(&brokers, ["words"]).stop_at_end();
        let messages = flow.input(source).named("words");
        let parsed = messages.try_map(|message: &KafkaMessage| {
            Ok::<_, DecodeError>((message.key_json::<u32>()?, message.value_json::<u32>()?))
        });
        let parsed = parsed.named("parsed");
        parsed.oks.output(good.clone()).named("good");
        parsed
            .errs
            .map(|bad| bad.error)
            .named("texts")
            .output(bad.clone())
            .named("bad");
    });
    run_main(flow).unwrap();
    assert_eq!(good.take(), [(0, 1)]);
    let expect = "the value at offset 1 of the topic `words`, partition 0, is not as it should be: expected value at line \
                  1 column 1";
    assert_eq!(bad.take(), [expect]);
}

#[test]
fn each_partition_has_a_watermark_of_its_own() {
    // The third stays empty.
    let (_cluster, brokers) = cluster(1, &[("clicks", 3)]);
    produce(&brokers, "clicks", 0, (0..40).map(|n| format!("a{n}")));
    // Their times are those of the first messages of the other partition.
    produce(&brokers, "clicks", 1, ["b0", "b1", "b2"]);
    for workers in 1..=3 {
        let (on_time, late, counts) = (TestingSink::new(), TestingSink::new(), TestingSink::new());
        let flow = Dataflow::build("clicks", |flow| {
            let source = KafkaSource::new(&brokers, ["clicks"]).batch_messages(5);
            let clicks = flow.input(source.stop_at_end()).named("clicks");
            // With a watermark for all partitions, those of the second would be late behind those of the first.
            let wait = Lateness::bounded(TimeDelta::zero());
            let timed = clicks
                .event_time(KafkaMessage::event_time, wait)
                .named("timed");
            timed
                .late
                .map(|click| text_of(&click))
                .output(late.clone())
                .named("late");
            timed
                .down
                .clone()
                .map(|click| text_of(&click))
                .output(on_time.clone())
                .named("on_time");
            let keyed = timed.down.key_on(|_| ());
            let windows = keyed.count_window(
                StreamClock::new(KafkaMessage::event_time),
                TumblingWindower::new(TimeDelta::milliseconds(10), DateTime::UNIX_EPOCH),
            );
            let windows = windows.named("windows");
            windows.down.output(counts.clone()).named("counts");
        });
        RunConfig::new().workers(workers).run(flow).unwrap();
        assert_eq!(late.take(), [""; 0]);
        assert_eq!(on_time.take().len(), 43);
        let counts = counts.take().into_iter();
        let mut counts: Vec<u64> = counts.map(|((), (_, count))| count).collect();
        counts.sort_unstable();
        assert_eq!(counts, [10, 10, 10, 13]);
    }
}

fn text_of(message: &KafkaMessage) -> String {
    String::from_utf8_lossy(message.value_bytes()).into_owned()
}
