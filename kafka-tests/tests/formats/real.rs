//! A registry of somebody else: `.ci/registry` starts an Apicurio Registry.
//!
//! ```text
//! .ci/registry cargo test -p kafka-tests --test formats -- --include-ignored real::
//! ```

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use bytewax::connectors::formats::{
    AvroDeserializer, AvroSerializer, DynamicProtobufDeserializer, Part, ProtobufDeserializer,
    ProtobufSerializer, Registration, Registry, Schema, SubjectName,
};
use serde::{Deserialize, Serialize};

use super::util::{bytes, data_error, stop_error, try_bytes, value};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: String,
    price: Price,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Price {
    cents: i64,
}

fn order() -> Order {
    Order {
        id: "a1".to_owned(),
        price: Price { cents: 150 },
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct Line {
    #[prost(string, tag = "1")]
    item: String,
    #[prost(message, optional, tag = "2")]
    price: Option<Cents>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Cents {
    #[prost(int64, tag = "1")]
    cents: i64,
}

fn registry() -> Registry {
    let url = env::var("SCHEMA_REGISTRY_URL");
    Registry::new(url.expect("`SCHEMA_REGISTRY_URL` is set, as `.ci/registry` does"))
}

/// A name that the registry does not have yet, which may be one that has seen this test before.
fn unique(name: &str) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("{name}{}", since.as_nanos())
}

fn price_schema(name: &str) -> String {
    format!(
        r#"{{"type": "record", "name": "{name}", "namespace": "shop", "fields": [{{"name": "cents", "type": "long"}}]}}"#
    )
}

fn order_schema(name: &str, price: &str) -> String {
    format!(
        r#"{{"type": "record", "name": "{name}", "namespace": "shop", "fields": [
            {{"name": "id", "type": "string"}}, {{"name": "price", "type": "shop.{price}"}}]}}"#
    )
}

#[test]
#[ignore = "needs a schema registry: `.ci/registry`"]
fn avro_by_all_names_of_subjects_with_a_reference() {
    let (topic, price, name) = (unique("orders"), unique("Price"), unique("Order"));
    // The schema that the other refers to.
    let prices = AvroSerializer::registry(&registry(), price_schema(&price));
    let prices = prices.subject_name(SubjectName::Record);
    let _ = bytes(prices, Part::Value, &Price { cents: 1 });

    let schema = Schema::new(order_schema(&name, &price)).referring_to(
        format!("shop.{price}"),
        format!("shop.{price}"),
        1,
    );
    for naming in [
        SubjectName::Topic,
        SubjectName::Record,
        SubjectName::TopicRecord,
    ] {
        let to = AvroSerializer::registry(&registry(), schema.clone()).topic(&topic);
        let written = bytes(to.subject_name(naming), Part::Value, &order());
        assert_eq!(written[0], 0);
        // The reader asks for the schema and what it refers to.
        let from = AvroDeserializer::<Order>::registry(&registry());
        assert_eq!(value(from, &written), order());
        // What is registered is there for others, who need not have it.
        let to = AvroSerializer::registry(&registry(), schema.clone()).topic(&topic);
        let to = to.registration(Registration::Existing);
        assert_eq!(
            bytes(to.subject_name(naming), Part::Value, &order()),
            written
        );
    }
    let latest = AvroSerializer::latest(&registry()).topic(&topic);
    let written = bytes(latest, Part::Value, &order());
    let from = AvroDeserializer::<Order>::registry(&registry());
    assert_eq!(value(from, &written), order());
}

#[test]
#[ignore = "needs a schema registry: `.ci/registry`"]
fn protobuf_with_an_import() {
    let (topic, price) = (unique("lines"), unique("price"));
    let cents = r#"syntax = "proto3"; package shop; message Cents { int64 cents = 1; }"#;
    let prices = ProtobufSerializer::registry(&registry(), cents, "shop.Cents").topic(&price);
    let _ = bytes(prices, Part::Value, &Cents { cents: 1 });

    let text = r#"
        syntax = "proto3";
        package shop;
        import "shop/cents.proto";
        message Unused {}
        message Line { string item = 1; Cents price = 2; }
    "#;
    let schema = Schema::new(text).referring_to("shop/cents.proto", format!("{price}-value"), 1);
    let line = Line {
        item: "tea".to_owned(),
        price: Some(Cents { cents: 150 }),
    };
    let to = ProtobufSerializer::registry(&registry(), schema, "shop.Line").topic(&topic);
    let written = bytes(to, Part::Value, &line);
    let from = ProtobufDeserializer::<Line>::registry(&registry(), "shop.Line");
    assert_eq!(value(from, &written), line);
    let read = value(DynamicProtobufDeserializer::registry(&registry()), &written);
    let item = read.get_field_by_name("item").unwrap();
    assert_eq!(item.as_str(), Some("tea"));
}

#[test]
#[ignore = "needs a schema registry: `.ci/registry`"]
fn what_the_registry_does_not_have() {
    let topic = unique("none");
    let why = data_error(
        AvroDeserializer::<i64>::registry(&registry()),
        &[0, 127, 255, 255, 255, 6],
    );
    assert!(
        why.ends_with("has no schema with the id 2147483647"),
        "{why}"
    );
    let existing = AvroSerializer::registry(&registry(), r#""long""#).topic(&topic);
    let existing = existing.registration(Registration::Existing);
    for to in [existing, AvroSerializer::latest(&registry()).topic(&topic)] {
        let why = stop_error(try_bytes(to, Part::Value, &3_i64, None));
        assert!(why.contains(&format!("{topic}-value")), "{why}");
    }
}

#[test]
#[ignore = "needs a schema registry: `.ci/registry`"]
fn a_schema_that_the_registry_refuses() {
    let topic = unique("refused");
    let first = AvroSerializer::registry(&registry(), r#""long""#).topic(&topic);
    let _ = bytes(first, Part::Value, &3_i64);
    let broken =
        Schema::new(r#"{"type": "record", "name": "A", "fields": [{"name": "b", "type": "B"}]}"#)
            .referring_to("B", &topic, 7);
    let to = AvroSerializer::registry(&registry(), broken).topic(&topic);
    let why = stop_error(try_bytes(to, Part::Value, &3_i64, None));
    assert!(why.contains("schema registry"), "{why}");
}
