//! What a sink writes.

use std::collections::BTreeMap;

use bytewax::RunError;
use bytewax::connectors::kafka::{KafkaMessage, KafkaSink};
use bytewax::prelude::*;
use bytewax::testing::connector::check_sink_in_flows;
use bytewax::testing::{TestingSink, TestingSource, run_main};
use kafka_tests::{consume, values};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::util::cluster;

fn write(sink: KafkaSink, messages: Vec<KafkaMessage>) -> Result<(), RunError> {
    let flow = Dataflow::build("write", |flow| {
        let messages = flow.input(TestingSource::new(messages)).named("messages");
        messages.output(sink).named("out");
    });
    run_main(flow)
}

#[test]
fn all_of_a_message_is_written() {
    let (_cluster, brokers) = cluster(1, &[("words", 3)]);
    let time = bytewax::chrono::DateTime::from_timestamp_millis(1234).unwrap();
    let message = KafkaMessage::new("a")
        .with_key("k")
        .with_header("one", "1")
        .with_header("two", "2")
        .with_timestamp(time)
        .to_partition(2);
    let grave = KafkaMessage::tombstone("k").to_partition(2);
    write(KafkaSink::new(&brokers, "words"), vec![message, grave]).unwrap();
    let read = consume(&brokers, "words");
    assert_eq!(read.len(), 2);
    assert_eq!(
        (read[0].partition, read[0].offset, read[0].timestamp),
        (2, 0, Some(1234))
    );
    assert_eq!(
        (read[0].key.as_deref(), read[0].value.as_deref()),
        (Some("k"), Some("a"))
    );
    let headers = [("one", "1"), ("two", "2")];
    assert_eq!(
        read[0].headers,
        headers.map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
    );
    assert_eq!(
        (read[1].key.as_deref(), read[1].value.as_deref()),
        (Some("k"), None)
    );
}

#[test]
fn a_message_may_name_its_topic() {
    let (_cluster, brokers) = cluster(1, &[("even", 1), ("odd", 1)]);
    let messages = (0..5).map(|n| {
        let topic = if n % 2 == 0 { "even" } else { "odd" };
        KafkaMessage::new(n.to_string()).to_topic(topic)
    });
    write(KafkaSink::by_message(&brokers), messages.collect()).unwrap();
    assert_eq!(values(&brokers, "even"), ["0", "2", "4"]);
    assert_eq!(values(&brokers, "odd"), ["1", "3"]);
    let error = write(
        KafkaSink::by_message(&brokers),
        vec![KafkaMessage::new("x").with_key("k")],
    );
    let report = error.unwrap_err().report();
    assert!(
        report.contains("the message with the key `k` and 1 bytes"),
        "{report}"
    );
    assert!(report.contains("`KafkaMessage::to_topic`"), "{report}");
}

#[test]
fn nothing_is_lost_in_flows_that_are_killed() {
    let make = || {
        let (cluster, brokers) = cluster(1, &[("words", 2)]);
        let topic = brokers.clone();
        let sink = move || KafkaSink::new(&topic, "words").append();
        (sink, move || {
            let _held = &cluster;
            let written = consume(&brokers, "words").into_iter();
            written
                .map(|read| KafkaMessage::new(read.value.unwrap_or_default()))
                .collect()
        })
    };
    let messages: Vec<KafkaMessage> = ["a", "b", "c"].map(KafkaMessage::new).into();
    check_sink_in_flows(make, &messages, &messages).unwrap();
}

#[test]
fn a_full_queue_makes_the_flow_wait() {
    let (_cluster, brokers) = cluster(1, &[("words", 1)]);
    let sink = KafkaSink::new(&brokers, "words").setting("queue.buffering.max.messages", "10");
    let messages = (0..500).map(|n| KafkaMessage::new(n.to_string())).collect();
    write(sink, messages).unwrap();
    let expect: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    assert_eq!(values(&brokers, "words"), expect);
}

#[test]
fn a_message_that_is_refused_for_good_stops_the_flow() {
    let (cluster, brokers) = cluster(1, &[("words", 1)]);
    let large = KafkaMessage::new(vec![b'x'; 2_000_000]).with_key("big");
    let report = write(KafkaSink::new(&brokers, "words"), vec![large])
        .unwrap_err()
        .report();
    assert!(report.contains("step `write.out`"), "{report}");
    assert!(
        report.contains("the message with the key `big` and 2000000 bytes"),
        "{report}"
    );
    assert!(report.contains("`message.max.bytes`"), "{report}");

    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.request_errors(RDKafkaApiKey::Produce, &[denied; 3]);
    let message = KafkaMessage::new("a").with_key("k");
    let report = write(KafkaSink::new(&brokers, "words"), vec![message])
        .unwrap_err()
        .report();
    assert!(
        report.contains("cannot be written to the topic `words`"),
        "{report}"
    );
    assert!(report.contains("authorization"), "{report}");
}

#[test]
fn what_has_no_form_in_json_stops_the_flow() {
    let (_cluster, brokers) = cluster(1, &[("words", 1)]);
    let keyed_by_pairs = BTreeMap::from([((1, 2), 3)]);
    let message = KafkaMessage::json(&keyed_by_pairs);
    let report = write(KafkaSink::new(&brokers, "words"), vec![message])
        .unwrap_err()
        .report();
    assert!(
        report.contains("it has no form in JSON: key must be a string"),
        "{report}"
    );
}

#[test]
fn refused_messages_may_go_elsewhere() {
    let (_cluster, brokers) = cluster(1, &[("words", 1)]);
    let bad = TestingSink::new();
    let large = KafkaMessage::new(vec![b'x'; 2_000_000]).with_key("big");
    let messages = vec![KafkaMessage::new("a"), large, KafkaMessage::new("b")];
    let flow = Dataflow::build("write", |flow| {
        let messages = flow.input(TestingSource::new(messages)).named("messages");
        let written = messages.try_output(KafkaSink::new(&brokers, "words").append());
        let bad_ones = written
            .named("out")
            .errs
            .map(|bad| (bad.item.key_bytes().map(<[u8]>::to_vec), bad.error));
        bad_ones.named("bad_ones").output(bad.clone()).named("bad");
    });
    run_main(flow).unwrap();
    assert_eq!(values(&brokers, "words"), ["a", "b"]);
    let bad: Vec<(Option<Vec<u8>>, String)> = bad.take();
    assert_eq!(bad.len(), 1);
    assert_eq!(bad[0].0.as_deref(), Some(b"big".as_slice()));
    assert!(bad[0].1.contains("`message.max.bytes`"), "{}", bad[0].1);
}
