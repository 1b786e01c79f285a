//! What only real brokers can show of a source.

use std::fs;
use std::thread;
use std::time::Duration;

use bytewax::RunConfig;
use bytewax::chrono::DateTime;
use bytewax::connectors::kafka::{KafkaSink, KafkaSource, LostOffset};
use bytewax::prelude::*;
use kafka_tests::{committed, produce, saving};

use super::util::{
    add_partitions, brokers, delete_records, delete_topic, read, read_some, topic, unique,
};

#[test]
#[ignore = "needs Apache Kafka: `.ci/kafka`"]
fn a_start_at_a_time() {
    let (brokers, topic) = (brokers(), topic("times", 2));
    produce(&brokers, &topic, 0, ["a", "b", "c"]);
    produce(&brokers, &topic, 1, ["d"]);
    let at = |millis| {
        let time = DateTime::from_timestamp_millis(millis).unwrap();
        KafkaSource::new(&brokers, [&topic])
            .from_time(time)
            .stop_at_end()
    };
    assert_eq!(
        read(at(1001), &RunConfig::new()).unwrap(),
        ["0@1=b", "0@2=c"]
    );
    assert_eq!(read(at(5000), &RunConfig::new()).unwrap(), [""; 0]);
}

#[test]
#[ignore = "needs Apache Kafka: `.ci/kafka`"]
fn partitions_that_are_added() {
    let (brokers, topic) = (brokers(), topic("grows", 1));
    produce(&brokers, &topic, 0, ["a"]);
    let dir = tempfile::tempdir().unwrap();
    let source = || {
        let source = KafkaSource::new(&brokers, [&topic]);
        source
            .list_every(Duration::from_millis(50))
            .setting("topic.metadata.refresh.interval.ms", "500")
    };
    let run = saving(dir.path()).workers(2);
    let all = read_some(source(), &run, 3, |count| {
        if count == 1 {
            add_partitions(&topic, 3);
            produce(&brokers, &topic, 1, ["b"]);
            produce(&brokers, &topic, 2, ["c"]);
        }
    });
    assert_eq!(all.unwrap(), ["0@0=a", "1@0=b", "2@0=c"]);
    // And on resume, though it begins at the end.
    let end = || source().from_end().stop_at_end();
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(read(end(), &saving(dir.path())).unwrap(), [""; 0]);
    add_partitions(&topic, 4);
    produce(&brokers, &topic, 3, ["d"]);
    assert_eq!(read(end(), &saving(dir.path())).unwrap(), ["3@0=d"]);
}

#[test]
#[ignore = "needs Apache Kafka: `.ci/kafka`"]
fn messages_that_are_gone() {
    let (brokers, topic) = (brokers(), topic("retained", 1));
    let dir = tempfile::tempdir().unwrap();
    produce(&brokers, &topic, 0, ["a", "b"]);
    let source = || KafkaSource::new(&brokers, [&topic]).stop_at_end();
    assert_eq!(read(source(), &saving(dir.path())).unwrap().len(), 2);
    produce(&brokers, &topic, 0, ["c", "d", "e"]);
    delete_records(&topic, 0, 4);
    let report = read(source(), &saving(dir.path())).unwrap_err().report();
    assert!(
        report.contains("the messages at offset 2 of the topic"),
        "{report}"
    );
    let source = source().on_lost_offset(LostOffset::Beginning);
    assert_eq!(read(source, &saving(dir.path())).unwrap(), ["0@4=e"]);
}

#[test]
#[ignore = "needs Apache Kafka: `.ci/kafka`"]
fn a_topic_that_is_deleted_or_missing() {
    let (brokers, topic) = (brokers(), topic("deleted", 1));
    produce(&brokers, &topic, 0, ["a"]);
    let source = || {
        let source = KafkaSource::new(&brokers, [&topic]);
        let source = source.setting("topic.metadata.refresh.interval.ms", "500");
        source.setting("topic.metadata.propagation.max.ms", "500")
    };
    let error = read_some(source(), &RunConfig::new(), 2, |_| delete_topic(&topic)).unwrap_err();
    let report = error.report();
    assert!(
        report.contains(&format!("the topic `{topic}`, partition 0, cannot be read")),
        "{report}"
    );
    let report = read(source().stop_at_end(), &RunConfig::new())
        .unwrap_err()
        .report();
    assert!(
        report.contains(&format!("there is no topic `{topic}`")),
        "{report}"
    );
}

#[test]
#[ignore = "needs Apache Kafka: `.ci/kafka`"]
fn the_position_passes_marks_of_transactions() {
    let (brokers, from, to) = (brokers(), topic("plain", 1), topic("marked", 1));
    produce(&brokers, &from, 0, ["a", "b"]);
    let dir = tempfile::tempdir().unwrap();
    let name = unique("copy");
    let flow = Dataflow::build(&name, |flow| {
        let messages = flow
            .input(KafkaSource::new(&brokers, [&from]).stop_at_end())
            .named("in");
        messages.output(KafkaSink::new(&brokers, &to)).named("out");
    });
    saving(dir.path()).run(flow).unwrap();
    let group = unique("group");
    let source = KafkaSource::new(&brokers, [&to])
        .group(&group)
        .stop_at_end();
    assert_eq!(read(source, &RunConfig::new()).unwrap(), ["0@0=a", "0@1=b"]);
    // Two messages and the mark of their transaction.
    assert_eq!(committed(&brokers, &group, &to, 0), Some(3));
}

#[test]
#[ignore = "needs Apache Kafka: `.ci/kafka`"]
fn bad_credentials() {
    let brokers = std::env::var("KAFKA_SASL_BOOTSTRAP");
    let brokers = brokers.expect("KAFKA_SASL_BOOTSTRAP: run this by `.ci/kafka`");
    let topic = topic("secret", 1);
    produce(&super::util::brokers(), &topic, 0, ["a"]);
    let source = |password: &str| {
        KafkaSource::new(&brokers, [&topic])
            .setting("security.protocol", "sasl_plaintext")
            .setting("sasl.mechanism", "PLAIN")
            .setting("sasl.username", "alice")
            .setting("sasl.password", password)
            .stop_at_end()
    };
    assert_eq!(
        read(source("alice-secret"), &RunConfig::new()).unwrap(),
        ["0@0=a"]
    );
    let report = read(source("hunter2"), &RunConfig::new())
        .unwrap_err()
        .report();
    assert!(report.contains("refuse the client"), "{report}");
    assert!(report.contains("`sasl.`"), "{report}");
    assert!(!report.contains("hunter2"), "{report}");
}

/// The names of the threads of this process that belong to the client.
fn client_threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names
        .filter(|name| name.starts_with("rdk:") || name.starts_with("kafka-"))
        .collect()
}

/// How long this process has used processors, in hundredths of a second.
fn processor_time() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, behind_name) = stat.rsplit_once(')').unwrap();
    let fields = behind_name.split_whitespace().skip(11).take(2);
    fields.map(|field| field.parse::<u64>().unwrap()).sum()
}

#[test]
#[ignore = "needs Apache Kafka: `.ci/kafka`; measures the process, so nothing else may run in it"]
fn zz_many_idle_partitions_take_few_threads_and_no_time() {
    let (brokers, topic) = (brokers(), topic("idle", 64));
    produce(&brokers, &topic, 5, ["a"]);
    let source = KafkaSource::new(&brokers, [&topic]).group("idle");
    let all = read_some(source, &RunConfig::new(), 2, |count| {
        if count == 1 {
            thread::sleep(Duration::from_secs(2));
            let threads = client_threads();
            assert!(threads.len() <= 10, "{threads:?}");
            let before = processor_time();
            thread::sleep(Duration::from_secs(10));
            let used = processor_time() - before;
            assert!(
                used < 20,
                "it has used {used} hundredths of a second in 10 s"
            );
            println!(
                "{} threads, {used} hundredths of a second in 10 s",
                threads.len()
            );
            produce(&brokers, &topic, 6, ["b"]);
        }
    });
    assert_eq!(all.unwrap(), ["5@0=a", "6@0=b"]);
}
