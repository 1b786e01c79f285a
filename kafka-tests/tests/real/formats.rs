//! Formats and schemas, through Apache Kafka.

use std::time::Duration;

use bytewax::RunConfig;
use bytewax::client::Retry;
use bytewax::connectors::formats::{
    AvroDeserializer, AvroSerializer, DynamicProtobufDeserializer, ProtobufDeserializer,
    ProtobufSerializer, Registry, TestingRegistry, Utf8,
};
use bytewax::connectors::kafka::{KafkaMessage, KafkaSink, KafkaSource, KafkaStream};
use bytewax::prelude::*;
use bytewax::testing::{TestingSink, TestingSource, run_items};
use kafka_tests::{consume, produce, saving, values};
use serde::{Deserialize, Serialize};

use super::util::{brokers, topic, unique};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Key {
    shop: String,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, prost::Message)]
struct Order {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(string, tag = "2")]
    item: String,
}

const KEY: &str =
    r#"{"type": "record", "name": "Key", "fields": [{"name": "shop", "type": "string"}]}"#;

const ORDER: &str = r#"
    syntax = "proto3";
    message Unused {}
    message Order { uint64 id = 1; string item = 2; }
"#;

#[test]
#[ignore = "needs Apache Kafka: `.ci/kafka`"]
fn keys_in_avro_and_values_in_protobuf_through_a_topic() {
    let (brokers, topic) = (brokers(), topic("orders", 3));
    let testing = TestingRegistry::start().unwrap();
    let registry = Registry::new(testing.url());
    let orders: Vec<(Key, Order)> = (0..1000)
        .map(|id| {
            let shop = format!("shop-{}", id % 7);
            let item = format!("item-{id}");
            (Key { shop }, Order { id, item })
        })
        .collect();

    let given = orders.clone();
    let dir = tempfile::tempdir().unwrap();
    let flow = dataflow!("write", |flow| {
        let orders = flow.input(TestingSource::new(given));
        let messages = orders.map(|(key, order)| KafkaMessage::of(order).keyed_by(key));
        let key = AvroSerializer::registry(&registry, KEY).topic(&topic);
        let value = ProtobufSerializer::registry(&registry, ORDER, "Order").topic(&topic);
        let written = messages.serialize(key, value);
        written.errs.fail();
        written.oks.output(KafkaSink::new(&brokers, &topic));
    });
    saving(dir.path()).workers(2).run(flow).unwrap();
    // The key is the first schema, the value the second, and the order the second message of its file.
    for read in consume(&brokers, &topic) {
        let key = read.key.unwrap().into_bytes();
        assert_eq!(key[..6], [0, 0, 0, 0, 1, 12]);
        let value = read.value.unwrap().into_bytes();
        assert_eq!(value[..7], [0, 0, 0, 0, 2, 2, 2]);
    }

    let (read, seen) = (TestingSink::new(), TestingSink::new());
    let flow = dataflow!("read", |flow| {
        let source = KafkaSource::new(&brokers, [&topic]).stop_at_end();
        let messages = flow.input(source);
        let key = AvroDeserializer::<Key>::registry(&registry);
        let value = ProtobufDeserializer::<Order>::registry(&registry, "Order");
        let typed = messages.clone().deserialize(key, value);
        typed.errs.fail();
        let pairs = typed.oks.map(|message| {
            let (key, value) = message.into_parts();
            let order = value.unwrap();
            (key.unwrap(), order.id, order.item)
        });
        pairs.output(read.clone());
        let dynamic = messages.deserialize_value(DynamicProtobufDeserializer::registry(&registry));
        dynamic.errs.fail();
        let ids = dynamic.oks.map(|message| {
            let id = message.value().unwrap().get_field_by_name("id").unwrap();
            id.as_u64().unwrap()
        });
        ids.output(seen.clone());
    });
    RunConfig::new().workers(2).run(flow).unwrap();
    let mut read = read.take();
    read.sort_by_key(|(_, id, _)| *id);
    let expect: Vec<_> = orders
        .into_iter()
        .map(|(key, order)| (key, order.id, order.item))
        .collect();
    assert_eq!(read, expect);
    let mut seen = seen.take();
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..1000));
}

/// Reads numbers in Avro, and writes them as text.
fn numbers(name: &str, brokers: &str, from: &str, to: &str, registry: &Registry) -> Dataflow {
    Dataflow::build(name, |flow| {
        let source = KafkaSource::new(brokers, [from]).batch_messages(7);
        let messages = flow.input(source.stop_at_end()).named("messages");
        let read = messages.deserialize_value(AvroDeserializer::<i64>::registry(registry));
        let read = read.named("read");
        read.errs.fail().named("fail");
        let texts = read.oks.map(|message| {
            let text = message.into_value().unwrap().to_string();
            KafkaMessage::of(text).with_key("n")
        });
        let written = texts.serialize_value(Utf8);
        written.errs.fail().named("cannot_write");
        written.oks.output(KafkaSink::new(brokers, to)).named("out");
    })
}

#[test]
#[ignore = "needs Apache Kafka: `.ci/kafka`"]
fn what_a_registry_keeps_from_being_read_is_written_once_when_it_is_back() {
    let (brokers, from, to) = (brokers(), topic("from", 2), topic("to", 2));
    let name = unique("numbers");
    let testing = TestingRegistry::start().unwrap();
    testing.register("numbers-value", "AVRO", r#""long""#, &[]);
    testing.register("numbers-value", "AVRO", r#"{"type": "long"}"#, &[]);
    // The second half of each partition has the second schema.
    for partition in 0..2 {
        let numbers = (0..60).map(|n| vec![0, 0, 0, 0, 1 + n / 30, 2 * n + partition]);
        produce(&brokers, &from, i32::from(partition), numbers);
    }
    let client = || Registry::new(testing.url()).retry(Retry::new().retries(0));
    // The first schema is known from before, so the first run writes something before it fails; the second run cannot read
    // anything.
    let warm = client();
    let known = run_items([KafkaMessage::new(vec![0, 0, 0, 0, 1, 6])], |messages| {
        let read = messages.deserialize_value(AvroDeserializer::<i64>::registry(&warm));
        read.errs.fail().named("fail");
        read.oks.map(KafkaMessage::into_value)
    });
    assert_eq!(known, [Some(3)]);
    let dir = tempfile::tempdir().unwrap();
    let run = saving(dir.path()).workers(2);
    let run = run.epoch_interval(Duration::from_millis(20));
    testing.fail(503, usize::MAX);
    for registry in [warm, client()] {
        let flow = numbers(&name, &brokers, &from, &to, &registry);
        let report = run.run(flow).unwrap_err().report();
        assert!(report.contains(&format!("step `{name}.read`")), "{report}");
        assert!(report.contains(testing.url()), "{report}");
    }
    testing.fail(503, 1);
    let registry = Registry::new(testing.url());
    run.run(numbers(&name, &brokers, &from, &to, &registry))
        .unwrap();
    let mut written: Vec<i64> = values(&brokers, &to)
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    written.sort_unstable();
    // Of a byte in Avro, every second is below zero.
    let zigzag = |byte: i64| (byte >> 1) ^ -(byte & 1);
    let mut expect: Vec<i64> = (0..2)
        .flat_map(|partition| (0..60).map(move |n| zigzag(2 * n + partition)))
        .collect();
    expect.sort_unstable();
    assert_eq!(written, expect);
}
