//! Formats in flows that read topics, of a cluster that the client plays itself.

use bytewax::RunConfig;
use bytewax::connectors::formats::{AvroDeserializer, JsonSerializer, Registry, Utf8};
use bytewax::connectors::kafka::{KafkaMessage, KafkaSource, KafkaStream};
use bytewax::prelude::*;
use bytewax::testing::{TestingSink, run_items};
use kafka_tests::{produce, saving};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use super::util::registry;

const LONG: &str = r#""long""#;

/// A number in Avro behind the id of a schema, which is one of single bytes.
fn number(schema: u8, n: u8) -> Vec<u8> {
    vec![0, 0, 0, 0, schema, 2 * n]
}

fn cluster(partitions: i32) -> (MockCluster<'static, DefaultProducerContext>, String) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("numbers", partitions, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    (cluster, brokers)
}

fn numbers(
    brokers: &str,
    registry: &Registry,
    good: &TestingSink<(i64, i64)>,
    bad: &TestingSink<(Vec<u8>, String)>,
) -> Dataflow {
    dataflow!("numbers", |flow| {
        let source = KafkaSource::new(brokers, ["numbers"]).batch_messages(2);
        let messages = flow.input(source.stop_at_end());
        let read = messages.deserialize_value(AvroDeserializer::<i64>::registry(registry));
        let values = read.oks.map(|message: KafkaMessage<Vec<u8>, i64>| {
            let offset = message.offset().unwrap_or(-1);
            (offset, message.into_value().unwrap_or(-1))
        });
        values.output(good.clone());
        let dead = read
            .errs
            .map(|bad| (bad.item.value_bytes().to_vec(), bad.error));
        dead.output(bad.clone());
    })
}

#[test]
fn bytes_that_are_no_message_are_told_with_their_place() {
    let (_cluster, brokers) = cluster(2);
    let (testing, registry) = registry();
    testing.register("numbers-value", "AVRO", LONG, &[]);
    let values = [number(1, 3), b"poison".to_vec(), number(9, 1), number(1, 4)];
    produce(&brokers, "numbers", 1, values);
    let (good, bad) = (TestingSink::new(), TestingSink::new());
    let flow = numbers(&brokers, &registry, &good, &bad);
    let ids: Vec<_> = flow.step_ids().iter().map(ToString::to_string).collect();
    assert!(
        ids.contains(&"numbers.read.deserialize_value".to_owned()),
        "{ids:?}"
    );
    RunConfig::new().workers(2).run(flow).unwrap();
    let mut read = good.take();
    read.sort_unstable();
    assert_eq!(read, [(0, 3), (3, 4)]);
    let mut dead = bad.take();
    dead.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
    let url = testing.url();
    let expect = [
        (
            b"poison".to_vec(),
            "the value at offset 1 of the topic `numbers`, partition 1, is not as it should be: it begins with the byte 112 and not \
             with 0, so it has no id of a schema; was it written without a registry?"
                .to_owned(),
        ),
        (
            number(9, 1),
            format!(
                "the value at offset 2 of the topic `numbers`, partition 1, is not as it should be: the schema registry `{url}` has \
                 no schema with the id 9"
            ),
        ),
    ];
    assert_eq!(dead, expect);
}

#[test]
fn a_registry_that_is_down_stops_the_flow_and_loses_nothing() {
    let (_cluster, brokers) = cluster(1);
    let (testing, registry) = registry();
    testing.register("numbers-value", "AVRO", LONG, &[]);
    testing.register("numbers-value", "AVRO", r#"{"type": "long"}"#, &[]);
    let values: Vec<_> = (0..10).map(|n| number(1 + n / 5, n)).collect();
    produce(&brokers, "numbers", 0, values);
    let dir = tempfile::tempdir().unwrap();
    let (good, bad) = (TestingSink::new(), TestingSink::new());

    // The first schema is known from before; the second cannot be had.
    let known = run_items([KafkaMessage::new(number(1, 1))], |messages| {
        let read = messages.deserialize_value(AvroDeserializer::<i64>::registry(&registry));
        read.errs.fail().named("fail");
        read.oks.map(|message| message.into_value())
    });
    assert_eq!(known, [Some(1)]);
    testing.fail(503, usize::MAX);
    let run = saving(dir.path());
    let flow = numbers(&brokers, &registry, &good, &bad);
    let report = run.run(flow).unwrap_err().report();
    assert!(
        report.contains("step `numbers.read.deserialize_value`, worker 0"),
        "{report}"
    );
    let cause = format!("the schema registry `{}` did not respond", testing.url());
    assert!(report.contains(&cause), "{report}");
    let mut all = good.take();
    assert!(all.iter().all(|(offset, _)| *offset < 5), "{all:?}");

    testing.fail(503, 1);
    let flow = numbers(&brokers, &registry, &good, &bad);
    run.workers(2).run(flow).unwrap();
    all.extend(good.take());
    all.sort_unstable();
    all.dedup();
    assert_eq!(all, (0..10).map(|n| (n, n)).collect::<Vec<_>>());
    assert!(bad.take().is_empty());
}

#[test]
fn a_value_without_a_form_in_bytes_is_an_item_of_errs() {
    let texts = [vec![1_u8], vec![0xff]].map(|bytes| KafkaMessage::of(bytes).with_key("k"));
    let out = run_items(texts, |messages| {
        let messages = messages.map(|message: KafkaMessage<Vec<u8>, Vec<u8>>| {
            let value: std::collections::BTreeMap<Vec<u8>, u8> = message
                .value_bytes()
                .iter()
                .map(|byte| (vec![*byte], *byte))
                .collect();
            KafkaMessage::of(value).keyed_by("k")
        });
        let written = messages.serialize(Utf8, JsonSerializer::new());
        written
            .oks
            .map(|_| String::new())
            .merge(written.errs.map(|bad| bad.error))
    });
    let why = "the value cannot be written: key must be a string";
    assert_eq!(out, [why, why]);
}
