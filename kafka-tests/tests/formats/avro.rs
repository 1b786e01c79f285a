//! Avro.

use bytewax::connectors::formats::{
    AvroDeserializer, AvroSerializer, Deserializer, Part, Registration, Schema, Serializer,
    SubjectName,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::util::{bytes, data_error, registry, stop_error, try_bytes, value};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: String,
    count: i64,
    note: Option<String>,
}

const ORDER: &str = r#"{
    "type": "record", "name": "Order", "namespace": "shop",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "count", "type": "long"},
        {"name": "note", "type": ["null", "string"]}
    ]
}"#;

fn order() -> Order {
    Order {
        id: "a1".to_owned(),
        count: 3,
        note: Some("x".to_owned()),
    }
}

/// What the order is in Avro: a length and a text, a number, which of two types, and a text.
const BYTES: &[u8] = &[4, b'a', b'1', 6, 2, 2, b'x'];

#[test]
fn values_alone() {
    assert_eq!(
        bytes(AvroSerializer::new(ORDER), Part::Value, &order()),
        BYTES
    );
    let read = value(AvroDeserializer::<Order>::new(ORDER), BYTES);
    assert_eq!(read, order());
    for end in 0..BYTES.len() {
        let why = data_error(AvroDeserializer::<Order>::new(ORDER), &BYTES[..end]);
        assert!(!why.is_empty());
    }
    let why = data_error(
        AvroDeserializer::<Order>::new(ORDER),
        &[BYTES, &[1, 2]].concat(),
    );
    assert_eq!(why, "there are 2 bytes behind the value");
}

#[test]
fn values_with_the_id_of_their_schema() {
    let (testing, registry) = registry();
    // Another schema is there already, so that the id is not the first.
    testing.register("other-value", "AVRO", r#""long""#, &[]);
    let to = AvroSerializer::registry(&registry, ORDER).topic("orders");
    let written = bytes(to, Part::Value, &order());
    assert_eq!(written, [&[0, 0, 0, 0, 2], BYTES].concat());

    let mut from = AvroDeserializer::<Order>::registry(&registry);
    from.open(Part::Value).unwrap();
    for _ in 0..1000 {
        assert_eq!(from.deserialize(&written).unwrap(), order());
    }
    // A clone on another worker asks nothing again.
    let mut other = AvroDeserializer::<serde_json::Value>::registry(&registry);
    let read = other.deserialize(&written).unwrap();
    assert_eq!(
        read,
        serde_json::json!({"id": "a1", "count": 3, "note": "x"})
    );
    assert_eq!(
        testing.requests(),
        ["POST /subjects/orders-value/versions", "GET /schemas/ids/2"]
    );
}

#[test]
fn a_schema_of_the_reader_adds_defaults() {
    let newer = r#"{
        "type": "record", "name": "Order", "namespace": "shop",
        "fields": [
            {"name": "id", "type": "string"},
            {"name": "currency", "type": "string", "default": "EUR"}
        ]
    }"#;
    #[derive(Debug, PartialEq, Deserialize)]
    struct Newer {
        id: String,
        currency: String,
    }
    let (testing, registry) = registry();
    testing.register("orders-value", "AVRO", ORDER, &[]);
    let from = AvroDeserializer::<Newer>::registry(&registry).reader_schema(newer);
    let read = value(from, &[&[0, 0, 0, 0, 1], BYTES].concat());
    let expect = Newer {
        id: "a1".to_owned(),
        currency: "EUR".to_owned(),
    };
    assert_eq!(read, expect);
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sale {
    price: Price,
    total: Price,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Price {
    cents: i64,
}

const PRICE: &str = r#"{"type": "record", "name": "Price", "namespace": "shop", "fields": [{"name": "cents", "type": "long"}]}"#;

const SALE: &str = r#"{
    "type": "record", "name": "Sale", "namespace": "shop",
    "fields": [{"name": "price", "type": "shop.Price"}, {"name": "total", "type": "shop.Price"}]
}"#;

#[test]
fn schemas_that_refer_to_others() {
    let sale = Sale {
        price: Price { cents: 1 },
        total: Price { cents: 2 },
    };
    // By texts alone.
    let schema = Schema::new(SALE).including("shop.Price", PRICE);
    let written = bytes(AvroSerializer::new(schema.clone()), Part::Value, &sale);
    assert_eq!(written, [2, 4]);
    assert_eq!(value(AvroDeserializer::<Sale>::new(schema), &written), sale);
    // By the registry.
    let (testing, registry) = registry();
    testing.register("price", "AVRO", PRICE, &[]);
    let schema = Schema::new(SALE).referring_to("shop.Price", "price", 1);
    let to = AvroSerializer::registry(&registry, schema).topic("sales");
    let written = bytes(to, Part::Value, &sale);
    assert_eq!(written, [0, 0, 0, 0, 2, 2, 4]);
    let from = AvroDeserializer::<Sale>::registry(&registry);
    assert_eq!(value(from, &written), sale);
    assert_eq!(
        testing.requests(),
        [
            "POST /subjects/sales-value/versions",
            "GET /subjects/price/versions/1",
            "GET /schemas/ids/2",
            "GET /subjects/price/versions/1",
        ]
    );
}

#[test]
fn subjects_by_topic_and_by_type() {
    let (testing, registry) = registry();
    let to = || AvroSerializer::registry(&registry, ORDER);
    let order = order();
    let _ = bytes(to().topic("orders"), Part::Key, &order);
    let _ = bytes(to().topic("orders/eu"), Part::Value, &order);
    let _ = bytes(to().subject_name(SubjectName::Record), Part::Value, &order);
    let by_both = to().subject_name(SubjectName::TopicRecord);
    let _ = bytes(by_both.clone().topic("orders"), Part::Value, &order);
    // The topic is the one of each message.
    let mut each = by_both;
    Serializer::<Order>::open(&mut each, Part::Value).unwrap();
    for topic in ["a", "b", "a"] {
        let _ = each.serialize(&order, Some(topic)).unwrap();
    }
    let error = stop_error(each.serialize(&order, None));
    assert!(error.contains("name it with `topic`"), "{error}");
    let subjects: Vec<_> = testing
        .requests()
        .iter()
        .map(|request| {
            let subject = request.strip_prefix("POST /subjects/").unwrap();
            subject.strip_suffix("/versions").unwrap().to_owned()
        })
        .collect();
    assert_eq!(
        subjects,
        [
            "orders-key",
            "orders%2Feu-value",
            "shop.Order",
            "orders-shop.Order",
            "a-shop.Order",
            "b-shop.Order",
        ]
    );
}

#[test]
fn schemas_that_must_be_there() {
    let (testing, registry) = registry();
    let to = AvroSerializer::registry(&registry, ORDER)
        .topic("orders")
        .registration(Registration::Existing);
    let error = stop_error(try_bytes(to.clone(), Part::Value, &order(), None));
    assert_eq!(
        error,
        format!(
            "the schema registry `{}` has no such schema of the subject `orders-value`; register it, or have the serializer do so by \
             `Registration::Register`",
            testing.url()
        )
    );
    testing.register("orders-value", "AVRO", r#""long""#, &[]);
    testing.register("orders-value", "AVRO", ORDER, &[]);
    let written = bytes(to, Part::Value, &order());
    assert_eq!(written[..5], [0, 0, 0, 0, 2]);
    // Whatever is newest.
    let to = AvroSerializer::latest(&registry).topic("orders");
    let written = bytes(to, Part::Value, &order());
    assert_eq!(written, [&[0, 0, 0, 0, 2], BYTES].concat());
}

#[test]
fn schemas_that_are_wrong_stop_a_run_before_it_begins() {
    let mut from = AvroDeserializer::<Order>::new(r#"{"type": "rekord"}"#);
    let error = stop_error(from.open(Part::Value));
    assert!(error.starts_with("the schema cannot be used: "), "{error}");
    let (testing, registry) = registry();
    let to = AvroSerializer::registry(&registry, "{").topic("orders");
    let error = stop_error(try_bytes(to, Part::Value, &order(), None));
    let place = format!(
        "the schema of the subject `orders-value`, in the schema registry `{}`, cannot be used: ",
        testing.url()
    );
    assert!(error.starts_with(&place), "{error}");
}

#[test]
fn numbers_of_other_widths() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Wide {
        small: i64,
        large: u64,
        none: Option<u32>,
    }
    let schema = r#"{
        "type": "record", "name": "Wide",
        "fields": [
            {"name": "small", "type": "int"},
            {"name": "large", "type": "long"},
            {"name": "none", "type": ["null", "long"]}
        ]
    }"#;
    let (mut to, mut from) = (AvroSerializer::new(schema), AvroDeserializer::new(schema));
    Serializer::<Wide>::open(&mut to, Part::Value).unwrap();
    from.open(Part::Value).unwrap();
    for none in [None, Some(7)] {
        let wide = Wide {
            small: -3,
            large: 4,
            none,
        };
        let written = to.serialize(&wide, None).unwrap();
        assert_eq!(written[..2], [5, 8]);
        let read: Wide = from.deserialize(&written).unwrap();
        assert_eq!(read, wide);
    }
    let wide = Wide {
        small: 1 << 40,
        large: 4,
        none: None,
    };
    assert!(to.serialize(&wide, None).is_err());
}

proptest! {
    #[test]
    fn orders_are_read_as_they_were_written(id in ".*", count: i64, note in proptest::option::of(".*")) {
        let order = Order { id, count, note };
        let written = bytes(AvroSerializer::new(ORDER), Part::Value, &order);
        prop_assert_eq!(value(AvroDeserializer::<Order>::new(ORDER), &written), order);
    }

    #[test]
    fn other_bytes_are_errors_at_most(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut from = AvroDeserializer::<Order>::new(ORDER);
        from.open(Part::Value).unwrap();
        let _ = from.deserialize(&bytes);
        let mut from = AvroDeserializer::<serde_json::Value>::new(ORDER).reader_schema(ORDER);
        from.open(Part::Value).unwrap();
        let _ = from.deserialize(&bytes);
    }
}
