//! Registries that fail, and logins.

use std::net::TcpListener;
use std::time::Duration;

use bytewax::connectors::formats::{
    AvroDeserializer, AvroSerializer, Deserializer, FormatError, JsonDeserializer, Part, Registry,
    TestingRegistry,
};

use super::util::{client, data_error, registry, stop_error, try_bytes, value};

const LONG: &str = r#""long""#;

const THREE: [u8; 6] = [0, 0, 0, 0, 1, 6];

fn longs(registry: &Registry) -> AvroDeserializer<i64> {
    AvroDeserializer::registry(registry)
}

#[test]
fn a_registry_that_fails_for_a_moment() {
    let (testing, registry) = registry();
    testing.register("n", "AVRO", LONG, &[]);
    for status in [500, 503, 429, 408] {
        let registry = client(testing.url());
        testing.fail(status, 3);
        assert_eq!(value(longs(&registry), &THREE), 3);
    }
    assert_eq!(testing.requests().len(), 16);
    let _ = registry;
}

#[test]
fn a_registry_that_fails_for_good() {
    let (testing, registry) = registry();
    testing.register("n", "AVRO", LONG, &[]);
    testing.fail(503, usize::MAX);
    let error = stop_error(longs(&registry).deserialize(&THREE));
    let expect = format!(
        "the schema registry `{}` did not respond after 4 attempts: it was told to fail (HTTP 503, code 50301); \
         check the address, or \
         wait longer with `Registry::retry` and `Registry::timeout`",
        testing.url()
    );
    assert_eq!(error, expect);
    // Nothing listens there any more.
    let url = testing.url().to_owned();
    drop(testing);
    let error = stop_error(longs(&client(&url)).deserialize(&THREE));
    assert!(
        error.starts_with(&format!(
            "the schema registry `{url}` did not respond after 4 attempts: "
        )),
        "{error}"
    );
    let to = AvroSerializer::registry(&client(&url), LONG).topic("n");
    let error = stop_error(try_bytes(to, Part::Value, &3_i64, None));
    assert!(error.contains("did not respond"), "{error}");
}

#[test]
fn a_registry_that_accepts_and_never_responds() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let registry = client(&url).timeout(Duration::from_millis(20));
    let error = stop_error(longs(&registry).deserialize(&THREE));
    assert!(error.contains("after 4 attempts: timeout"), "{error}");
    // Those it has not accepted wait in the system until it is gone.
    drop(listener);
}

#[test]
fn another_address_is_asked_when_one_does_not_answer() {
    let gone = TestingRegistry::start().unwrap().url().to_owned();
    let there = TestingRegistry::start().unwrap();
    there.register("n", "AVRO", LONG, &[]);
    let registry = client(&format!("{gone}, {}", there.url()));
    assert_eq!(value(longs(&registry), &THREE), 3);
}

#[test]
fn an_unknown_schema_is_a_fault_of_the_bytes() {
    let (testing, registry) = registry();
    testing.register("p", "PROTOBUF", "syntax = \"proto3\"; message P {}", &[]);
    testing.register("n", "AVRO", "{", &[]);
    let why = data_error(longs(&registry), &[0, 0, 0, 0, 9, 6]);
    assert_eq!(
        why,
        format!(
            "the schema registry `{}` has no schema with the id 9",
            testing.url()
        )
    );
    // It is not asked again at once, whichever worker comes with it.
    for _ in 0..10 {
        let _ = data_error(longs(&registry), &[0, 0, 0, 0, 9, 6]);
    }
    assert_eq!(testing.requests(), ["GET /schemas/ids/9"]);
    assert_eq!(
        data_error(longs(&registry), &THREE),
        "its schema, of the id 1, is of the type PROTOBUF and not of AVRO"
    );
    let why = data_error(longs(&registry), &[0, 0, 0, 0, 2, 6]);
    assert!(
        why.starts_with("its schema, of the id 2, cannot be understood: "),
        "{why}"
    );
    let why = data_error(longs(&registry), b"3");
    assert_eq!(
        why,
        "it is 1 bytes long, and has no room for the id of a schema"
    );
}

#[test]
fn references_that_are_missing_stop_the_run() {
    let (testing, registry) = registry();
    let text = r#"{"type": "record", "name": "A", "fields": [{"name": "b", "type": "B"}]}"#;
    testing.register("a", "AVRO", text, &[("B", "b", 1)]);
    let error = stop_error(longs(&registry).deserialize(&THREE));
    let place = format!(
        "no version 1 of the subject `b`, which a schema refers to as `B`, in the schema registry `{}`",
        testing.url()
    );
    assert!(error.starts_with(&place), "{error}");
    // Two that refer to each other.
    testing.register("c", "AVRO", text, &[("D", "d", 1)]);
    testing.register("d", "AVRO", text, &[("E", "c", 1)]);
    testing.register("c", "AVRO", text, &[("E", "c", 1), ("F", "d", 1)]);
    let _ = data_or_stop(longs(&registry).deserialize(&[0, 0, 0, 0, 4, 6]));
}

fn data_or_stop<T>(result: Result<T, FormatError>) -> String {
    result.err().map(|error| error.to_string()).unwrap()
}

#[test]
fn logins() {
    let (testing, registry) = registry();
    testing.register("n", "AVRO", LONG, &[]);
    testing.require_login("ann", "s3cr:et");
    let wrong = registry.clone().basic_auth("ann", "gu3ss");
    for registry in [registry.clone(), wrong] {
        let error = stop_error(longs(&registry).deserialize(&THREE));
        assert_eq!(
            error,
            format!(
                "the schema registry `{}` refuses the client: Unauthorized (HTTP 401, code 401); check `Registry::basic_auth`",
                testing.url()
            )
        );
    }
    let right = registry.clone().basic_auth("ann", "s3cr:et");
    assert_eq!(value(longs(&right), &THREE), 3);
    let in_url = testing.url().replace("http://", "http://ann:s3cr%3Aet@");
    let right = client(&in_url);
    assert_eq!(value(longs(&right), &THREE), 3);
    // Nothing is asked twice because of a wrong login.
    assert_eq!(testing.requests().len(), 4);
    // It is shown nowhere.
    testing.fail(500, usize::MAX);
    let other = [0, 0, 0, 0, 2, 6];
    let error = stop_error(longs(&right).deserialize(&other));
    let shown = format!("{error} {right:?} {:?}", longs(&right));
    for secret in ["ann", "s3cr", "YW5u"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn addresses_that_are_none() {
    for url in ["localhost:8081", "", "https://localhost:8081"] {
        let mut from = longs(&Registry::new(url));
        let error = stop_error(from.open(Part::Value));
        assert!(
            error.starts_with(&format!("the address `{url}` of the schema registry")),
            "{error}"
        );
    }
}

#[test]
fn something_else_at_the_address() {
    let testing = TestingRegistry::start().unwrap();
    // There is no registry under this path.
    let registry = client(&format!("{}/elsewhere", testing.url()));
    let error = stop_error(longs(&registry).deserialize(&THREE));
    assert!(
        error.ends_with("is that the address of a registry?"),
        "{error}"
    );
}

#[test]
fn json_does_not_need_the_schema() {
    let (testing, registry) = registry();
    let mut from = JsonDeserializer::<Vec<u32>>::registry(&registry);
    from.open(Part::Value).unwrap();
    assert_eq!(from.deserialize(b"\0\0\0\0\x07[1]").unwrap(), [1]);
    assert!(testing.requests().is_empty());
    let why = data_error(from, b"[1, 2]");
    assert!(why.starts_with("it begins with the byte 91"), "{why}");
}
