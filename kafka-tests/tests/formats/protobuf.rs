//! Protobuf.

use bytewax::connectors::formats::{
    Deserializer, DynamicProtobufDeserializer, Part, ProtobufDeserializer, ProtobufSerializer,
    Schema, SubjectName,
};
use proptest::prelude::*;

use super::util::{bytes, data_error, registry, stop_error, try_bytes, value};

#[derive(Clone, PartialEq, prost::Message)]
struct Order {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, optional, tag = "2")]
    price: Option<Price>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Price {
    #[prost(int64, tag = "1")]
    cents: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Line {
    #[prost(int64, tag = "1")]
    count: i64,
}

const PRICE: &str = r#"syntax = "proto3"; package shop; message Price { int64 cents = 1; }"#;

const ORDER: &str = r#"
    syntax = "proto3";
    package shop;
    import "shop/price.proto";
    import "google/protobuf/timestamp.proto";
    message Order {
        string id = 1;
        Price price = 2;
        google.protobuf.Timestamp at = 3;
        map<string, int64> counts = 4;
        message Line { int64 count = 1; }
    }
    message Other { string name = 1; }
"#;

fn order() -> Order {
    Order {
        id: "a1".to_owned(),
        price: Some(Price { cents: 150 }),
    }
}

/// What the order is in Protobuf.
const BYTES: &[u8] = &[10, 2, b'a', b'1', 18, 3, 8, 150, 1];

fn schema() -> Schema {
    Schema::new(ORDER).referring_to("shop/price.proto", "price", 1)
}

#[test]
fn messages_alone() {
    assert_eq!(
        bytes(ProtobufSerializer::new(), Part::Value, &order()),
        BYTES
    );
    let from = ProtobufDeserializer::<Order>::new();
    assert_eq!(value(from, BYTES), order());
    let why = data_error(ProtobufDeserializer::<Order>::new(), b"x");
    assert!(why.contains("failed to decode"), "{why}");
}

#[test]
fn messages_of_types_that_come_at_run_time() {
    let schema = Schema::new(ORDER).including("shop/price.proto", PRICE);
    let from = DynamicProtobufDeserializer::new(schema, "shop.Order");
    let read = value(from, BYTES);
    let id = read.get_field_by_name("id").unwrap();
    assert_eq!(id.as_str(), Some("a1"));
    let price = read.get_field_by_name("price").unwrap();
    let cents = price.as_message().unwrap().get_field_by_name("cents");
    assert_eq!(cents.unwrap().as_i64(), Some(150));
    // And back.
    assert_eq!(bytes(ProtobufSerializer::new(), Part::Value, &read), BYTES);
    let mut from = DynamicProtobufDeserializer::new(ORDER, "shop.Order");
    let error = stop_error(from.open(Part::Value));
    assert!(error.contains("shop/price.proto"), "{error}");
}

#[test]
fn messages_with_the_id_of_their_schema() {
    let (testing, registry) = registry();
    testing.register("price", "PROTOBUF", PRICE, &[]);
    let to = ProtobufSerializer::registry(&registry, schema(), "shop.Order").topic("orders");
    let written = bytes(to, Part::Value, &order());
    // The first message of the file is a zero.
    assert_eq!(written, [&[0, 0, 0, 0, 2, 0], BYTES].concat());
    let from = ProtobufDeserializer::<Order>::registry(&registry, "shop.Order");
    assert_eq!(value(from, &written), order());
    let from = DynamicProtobufDeserializer::registry(&registry);
    let read = value(from, &written);
    assert_eq!(read.get_field_by_name("id").unwrap().as_str(), Some("a1"));

    // One within another: two numbers, which are 0 and 0.
    let to = ProtobufSerializer::registry(&registry, schema(), "shop.Order.Line").topic("orders");
    let line = bytes(to, Part::Value, &Line { count: 3 });
    assert_eq!(line, [0, 0, 0, 0, 2, 4, 0, 0, 8, 3]);
    let from = ProtobufDeserializer::<Line>::registry(&registry, "shop.Order.Line");
    assert_eq!(value(from, &line), Line { count: 3 });
    let read = value(DynamicProtobufDeserializer::registry(&registry), &line);
    assert_eq!(read.get_field_by_name("count").unwrap().as_i64(), Some(3));

    // The second of the file.
    let other = [0, 0, 0, 0, 2, 2, 2, 10, 1, b'z'];
    let read = value(DynamicProtobufDeserializer::registry(&registry), &other);
    assert_eq!(read.get_field_by_name("name").unwrap().as_str(), Some("z"));
    let from = ProtobufDeserializer::<Order>::registry(&registry, "shop.Order");
    assert_eq!(
        data_error(from, &other),
        "it is another message of its schema than `shop.Order`"
    );
    let from = ProtobufDeserializer::<Order>::registry(&registry, "shop.Ordre");
    assert_eq!(
        data_error(from, &written),
        "its schema has no message `shop.Ordre`"
    );
    let nothing = [0, 0, 0, 0, 2, 2, 8];
    assert_eq!(
        data_error(DynamicProtobufDeserializer::registry(&registry), &nothing),
        "its schema has no message [4]"
    );
}

#[test]
fn subjects_by_the_names_of_messages() {
    let (testing, registry) = registry();
    testing.register("price", "PROTOBUF", PRICE, &[]);
    let to = ProtobufSerializer::registry(&registry, schema(), "shop.Order");
    let _ = bytes(
        to.clone().subject_name(SubjectName::Record),
        Part::Value,
        &order(),
    );
    let by_both = to.subject_name(SubjectName::TopicRecord).topic("orders");
    let _ = bytes(by_both, Part::Value, &order());
    let posts: Vec<_> = testing
        .requests()
        .into_iter()
        .filter(|request| request.starts_with("POST"))
        .collect();
    assert_eq!(
        posts,
        [
            "POST /subjects/shop.Order/versions",
            "POST /subjects/orders-shop.Order/versions"
        ]
    );
    let to = ProtobufSerializer::registry(&registry, schema(), "shop.Ordre").topic("orders");
    let error = stop_error(try_bytes(to, Part::Value, &order(), None));
    assert!(error.ends_with("it has no message `shop.Ordre`"), "{error}");
}

proptest! {
    #[test]
    fn other_bytes_are_errors_at_most(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut from = ProtobufDeserializer::<Order>::new();
        let _ = from.deserialize(&bytes);
        let schema = Schema::new(ORDER).including("shop/price.proto", PRICE);
        let mut from = DynamicProtobufDeserializer::new(schema, "shop.Order");
        from.open(Part::Value).unwrap();
        let _ = from.deserialize(&bytes);
    }
}
