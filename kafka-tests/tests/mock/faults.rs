//! What becomes of faults of the brokers and of the settings.

use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use bytewax::RunConfig;
use bytewax::connectors::kafka::{KafkaMessage, KafkaSink, KafkaSource};
use bytewax::prelude::*;
use bytewax::testing::{TestingSource, run_main};
use kafka_tests::{produce, saving, values};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::util::{cluster, read, read_some};

fn report(source: KafkaSource) -> String {
    read(source.stop_at_end(), &RunConfig::new())
        .unwrap_err()
        .report()
}

#[test]
fn what_is_not_there_is_named() {
    let (_cluster, brokers) = cluster(1, &[("words", 2)]);
    let text = report(KafkaSource::partitions(&brokers, [("words", 2)]));
    assert!(
        text.contains("the topic `words` has no partition 2: it has 2, counted from 0"),
        "{text}"
    );
    let text = report(KafkaSource::pattern(&brokers, "wor(ds"));
    assert!(
        text.contains("the pattern `wor(ds` is no regular expression"),
        "{text}"
    );
}

#[test]
fn brokers_that_do_not_answer() {
    // Nobody listens on a port that was free just now.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let source =
        KafkaSource::new(free.to_string(), ["words"]).connect_timeout(Duration::from_secs(1));
    let text = report(source);
    assert!(
        text.contains(&format!("no broker of `{free}` has answered for 1 s")),
        "{text}"
    );
    assert!(text.contains("`connect_timeout`"), "{text}");
    assert!(text.contains("step `read.messages`"), "{text}");
    let text = report(KafkaSource::new(" ", ["words"]));
    assert!(text.contains("there is no address of a broker"), "{text}");
}

#[test]
fn secrets_are_in_no_text() {
    let secret = "hunter2";
    let source = KafkaSource::new("localhost:1", ["words"])
        .setting("sasl.password", secret)
        .setting("sasl.mechanism", "PLAIN");
    let sink = KafkaSink::new("localhost:1", "words").setting("sasl.password", secret);
    let shown = format!("{source:?} {sink:?}");
    assert!(!shown.contains(secret), "{shown}");
    assert!(shown.contains("sasl.password"), "{shown}");
    // The client says what it does not like, with the value.
    let text = report(source.clone().setting("sasl.oauthbearer.method", secret));
    assert!(text.contains("sasl.oauthbearer.method"), "{text}");
    assert!(!text.contains(secret), "{text}");
    let text = report(source.setting("no.such.thing", "1"));
    assert!(
        text.contains("the setting `no.such.thing` cannot be used"),
        "{text}"
    );
}

#[test]
fn settings_that_would_lose_messages_are_refused() {
    let text =
        report(KafkaSource::new("localhost:1", ["words"]).setting("auto.offset.reset", "latest"));
    assert!(
        text.contains("the setting `auto.offset.reset` cannot be used"),
        "{text}"
    );
    assert!(text.contains("`on_lost_offset`"), "{text}");
}

#[test]
fn a_topic_that_is_gone_is_named() {
    let (_cluster, brokers) = cluster(1, &[("log-a", 1)]);
    produce(&brokers, "log-a", 0, ["a"]);
    let dir = tempfile::tempdir().unwrap();
    let source = KafkaSource::pattern(&brokers, "log-.*").stop_at_end();
    assert_eq!(read(source, &saving(dir.path())).unwrap().len(), 1);
    // Another cluster, on which the topic is not.
    let (_other, brokers) = super::util::cluster(1, &[("log-b", 1)]);
    let source = KafkaSource::pattern(&brokers, "log-.*").stop_at_end();
    let text = read(source, &saving(dir.path())).unwrap_err().report();
    assert!(
        text.contains("it has read 1 partitions that the source does not list any more: `log-a/0`"),
        "{text}"
    );
}

#[test]
fn a_broker_that_is_down_for_a_while() {
    let (cluster, brokers) = cluster(1, &[("in", 1)]);
    produce(&brokers, "in", 0, (0..50).map(|n| n.to_string()));
    let source = KafkaSource::new(&brokers, ["in"]).batch_messages(10);
    let all = read_some(source, &RunConfig::new(), 100, |count| {
        if count == 10 {
            cluster.broker_down(1).unwrap();
            cluster.broker_up(1).unwrap();
            produce(&brokers, "in", 0, (50..100).map(|n| n.to_string()));
        }
    });
    assert_eq!(all.unwrap().len(), 100);
}

#[test]
fn errors_that_pass_are_got_over() {
    let (cluster, brokers) = cluster(1, &[("out", 1)]);
    let passing = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
    ];
    cluster.request_errors(RDKafkaApiKey::Produce, &passing);
    let flow = Dataflow::build("write", |flow| {
        let numbers = flow.input(TestingSource::new(0..20)).named("numbers");
        let messages = numbers
            .map(|n| KafkaMessage::new(n.to_string()))
            .named("messages");
        messages
            .output(KafkaSink::new(&brokers, "out"))
            .named("out");
    });
    run_main(flow).unwrap();
    let expect: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    assert_eq!(values(&brokers, "out"), expect);
}

#[test]
fn a_leader_that_moves_while_messages_are_written() {
    let (cluster, brokers) = cluster(2, &[("out", 1)]);
    cluster.partition_leader("out", 0, Some(1)).unwrap();
    let ((half, is_half), (moved, has_moved)) = (mpsc::channel(), mpsc::channel::<()>());
    let has_moved = Mutex::new(has_moved);
    let run = || {
        let flow = Dataflow::build("write", |flow| {
            let source = TestingSource::new(0..40).batch_size(10);
            let numbers = flow.input(source).named("numbers");
            let messages = numbers.map(move |n| {
                if n == 20 {
                    half.send(()).unwrap();
                    has_moved.lock().unwrap().recv().unwrap();
                }
                KafkaMessage::new(n.to_string())
            });
            let sink = KafkaSink::new(&brokers, "out").append();
            messages.named("messages").output(sink).named("out");
        });
        // Each batch is written before the next is read.
        RunConfig::new().epoch_interval(Duration::ZERO).run(flow)
    };
    thread::scope(|scope| {
        let run = scope.spawn(run);
        is_half.recv().unwrap();
        cluster.partition_leader("out", 0, Some(2)).unwrap();
        moved.send(()).unwrap();
        run.join().unwrap().unwrap();
    });
    let expect: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    assert_eq!(values(&brokers, "out"), expect);
}

#[test]
fn a_leader_that_moves() {
    let (cluster, brokers) = cluster(2, &[("words", 1)]);
    cluster.partition_leader("words", 0, Some(1)).unwrap();
    produce(&brokers, "words", 0, ["a"]);
    let source = KafkaSource::new(&brokers, ["words"]);
    let all = read_some(source, &RunConfig::new(), 2, |count| {
        if count == 1 {
            cluster.partition_leader("words", 0, Some(2)).unwrap();
            produce(&brokers, "words", 0, ["b"]);
        }
    });
    assert_eq!(all.unwrap(), ["words/0@0=a", "words/0@1=b"]);
}
