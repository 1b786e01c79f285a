//! Brokers that are gone for a while, in the middle of a run. Nothing else may run meanwhile.

use std::fs;
use std::process::Command;
use std::sync::Once;
use std::thread;
use std::time::Duration;

use bytewax::connectors::kafka::{KafkaMessage, KafkaSink, KafkaSource};
use bytewax::prelude::*;
use bytewax::testing::run_main;
use kafka_tests::{Program, produce, saving, values};

use super::util::{brokers, topic, unique};

/// Stops and continues the process of the broker, which answers nothing meanwhile.
fn signal(signal: &str) {
    let file = std::env::var("KAFKA_PID_FILE");
    let file = file.expect("KAFKA_PID_FILE: run this by `.ci/kafka`");
    let pid = fs::read_to_string(file).expect("the broker runs");
    let status = Command::new("kill").args([signal, pid.trim()]).status();
    assert!(status.expect("`kill` runs").success());
}

#[test]
#[ignore = "needs Apache Kafka: `.ci/kafka`; stops the broker for 30 s"]
fn zz_a_broker_that_does_not_answer_for_half_a_minute() {
    let (brokers, from, to) = (brokers(), topic("paused", 1), topic("resumed", 1));
    produce(&brokers, &from, 0, (0..100).map(|n| n.to_string()));
    let flow = Dataflow::build("copy", |flow| {
        let source = KafkaSource::new(&brokers, [&from])
            .batch_messages(10)
            .stop_at_end();
        let messages = flow.input(source).named("in");
        let messages = messages.map(|message| {
            if message.offset() == Some(20) {
                signal("-STOP");
                thread::spawn(|| {
                    thread::sleep(Duration::from_secs(30));
                    signal("-CONT");
                });
            }
            message
        });
        let sink = KafkaSink::new(&brokers, &to)
            .append()
            .setting("socket.timeout.ms", "3000")
            // The broker may stop before the client has seen the new topic.
            .setting("topic.metadata.propagation.max.ms", "60000");
        messages.named("pause").output(sink).named("out");
    });
    run_main(flow).unwrap();
    let expect: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    assert_eq!(values(&brokers, &to), expect);
}

#[test]
#[ignore = "needs Apache Kafka: `.ci/kafka`; starts the broker again"]
fn zz_a_broker_that_is_started_again() {
    let (brokers, from, to) = (brokers(), topic("before", 2), topic("after", 2));
    let restart = std::env::var("KAFKA_RESTART").expect("KAFKA_RESTART: run this by `.ci/kafka`");
    for partition in 0..2 {
        let numbers = (0..100).map(|n| format!("{partition}-{n:02}"));
        produce(&brokers, &from, partition, numbers);
    }
    let once = Once::new();
    let flow = Dataflow::build(&unique("copy"), |flow| {
        let source = KafkaSource::new(&brokers, [&from])
            .batch_messages(5)
            .stop_at_end();
        let messages = flow.input(source).named("in");
        let messages = messages.map(move |message: KafkaMessage| {
            if message.offset() == Some(20) {
                // Some of what comes then is read, written and committed while there is no broker.
                let restart = restart.clone();
                once.call_once(|| drop(thread::spawn(|| Command::new(restart).status())));
            }
            message
        });
        messages
            .named("copied")
            .output(KafkaSink::new(&brokers, &to))
            .named("out");
    });
    let dir = tempfile::tempdir().unwrap();
    let run = saving(dir.path())
        .workers(2)
        .epoch_interval(Duration::from_millis(200));
    run.run(flow).unwrap();
    let sorted = |topic: &str| {
        let mut values = values(&brokers, topic);
        values.sort();
        values
    };
    assert_eq!(sorted(&to), sorted(&from));
    assert_eq!(sorted(&to).len(), 200);
}

#[test]
#[ignore = "needs Apache Kafka: `.ci/kafka`; stops the broker for some seconds"]
fn zz_a_stop_does_not_wait_for_brokers_that_are_gone() {
    let (brokers, from, to) = (brokers(), topic("in", 1), topic("out", 1));
    let dir = tempfile::tempdir().unwrap();
    let name = unique("copy");
    let store = dir.path().to_str().unwrap();
    let start = |more: &[&str]| {
        let args = [
            "--brokers",
            &brokers,
            "--name",
            &name,
            "--from",
            &from,
            "--to",
            &to,
        ];
        let args = [&args[..], &["-r", store], more].concat();
        Program::start(env!("CARGO_BIN_EXE_copy"), &args)
    };
    produce(&brokers, &from, 0, (0..100).map(|n| n.to_string()));
    // The epoch does not end by itself.
    let copy = start(&["--stop-timeout", "2", "-s", "600"]);
    copy.wait_for_lines(100);
    signal("-STOP");
    let (status, took, notes) = copy.terminate();
    signal("-CONT");
    assert_eq!(status.code(), Some(143), "{notes}");
    assert!(
        notes.contains("before the last epoch was complete"),
        "{notes}"
    );
    assert!(!notes.contains("a worker does not end"), "{notes}");
    assert!(took < Duration::from_secs(7), "{took:?}");
    // The next one writes all of it, once.
    let copy = start(&["-s", "1"]);
    copy.wait_for_lines(100);
    let expect: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    super::util::wait_until("the last message", || values(&brokers, &to).len() >= 100);
    assert_eq!(values(&brokers, &to), expect);
    let (status, ..) = copy.terminate();
    assert_eq!(status.code(), Some(143));
}
