//! The schema of the responses is that of their types, and they follow it.

use std::fs;
use std::path::Path;

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::{Serving, anywhere, ask, server_of};
use crate::execution::render::json::FlowJson;
use crate::execution::serve::api::{Contents, SCHEMA};
use crate::execution::serve::history::Course;
use crate::execution::serve::live::{ErrorsReport, KeysReport, TailReport};
use crate::execution::serve::metrics::tests::report;
use crate::report::RunReport;

/// The schema: a type for each path.
fn generated() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let report = generator.subschema_for::<RunReport>();
    let flow = generator.subschema_for::<FlowJson<'_>>();
    let history = generator.subschema_for::<Course>();
    let keys = generator.subschema_for::<KeysReport>();
    let errors = generator.subschema_for::<ErrorsReport>();
    let tail = generator.subschema_for::<TailReport>();
    let contents = generator.subschema_for::<Contents>();
    let definitions = generator.take_definitions(true);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The responses of a run, version 1",
        "description": "Each property is a path; its schema is that of the response. Later releases may add paths and properties.",
        "type": "object",
        "properties": {
            "/api/v1": contents,
            "/api/v1/errors": errors,
            "/api/v1/flow": flow,
            "/api/v1/history": history,
            "/api/v1/keys": keys,
            "/api/v1/report": report,
            "/api/v1/tail": tail,
        },
        "$defs": definitions,
    })
}

#[test]
fn the_schema_is_that_of_the_types() {
    let text = serde_json::to_string_pretty(&generated()).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/execution/serve/schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap();
    assert!(
        kept == text,
        "the types of the responses have changed: run this test with UPDATE_SCHEMA=1, and look at the difference of \
         {}; version 1 may gain properties, and may lose or change none",
        path.display()
    );
}

/// Checks a value against the part of the language that the schema uses.
fn check(value: &Value, schema: &Value, root: &Value, at: &str) {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let part = root.pointer(name.trim_start_matches('#')).unwrap();
        return check(value, part, root, at);
    }
    if let Some(any) = schema.get("anyOf").and_then(Value::as_array) {
        let schema = any
            .iter()
            .find(|one| (one["type"] == "null") == value.is_null());
        return check(
            value,
            schema.unwrap_or_else(|| panic!("{at}: {value}")),
            root,
            at,
        );
    }
    if let Some(one) = schema.get("oneOf").and_then(Value::as_array) {
        assert!(
            one.iter().any(|one| one["const"] == *value),
            "{at}: {value}"
        );
        return;
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        kind => vec![kind.clone()],
    };
    let is_of = |kind: &Value| match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{at}: the test does not know the type `{other}`"),
    };
    assert!(kinds.iter().any(is_of), "{at}: {value} is not of {kinds:?}");
    match value {
        Value::Array(values) => {
            for (place, value) in values.iter().enumerate() {
                check(value, &schema["items"], root, &format!("{at}/{place}"));
            }
        }
        Value::Object(fields) => {
            for required in schema["required"].as_array().into_iter().flatten() {
                assert!(
                    fields.contains_key(required.as_str().unwrap()),
                    "{at}: no {required}"
                );
            }
            for (name, value) in fields {
                let schema = &schema["properties"][name];
                assert!(schema.is_object(), "{at}: `{name}` is not described");
                check(value, schema, root, &format!("{at}/{name}"));
            }
        }
        _ => {}
    }
}

#[test]
fn responses_follow_the_schema() {
    let (server, _shared) = server_of(Serving {
        page: Some(anywhere()),
        ..Serving::default()
    });
    let get = |path: &str| {
        let (status, _, body) = ask(server.addresses()[0], path, "Host: localhost\r\n");
        (status, body)
    };
    let (status, schema) = get("/api/v1/schema");
    assert_eq!((status, schema.as_str()), (200, SCHEMA));
    let schema: Value = serde_json::from_str(&schema).unwrap();
    for (path, of) in schema["properties"].as_object().unwrap() {
        let asked = match path.as_str() {
            "/api/v1/keys" => "/api/v1/keys?step=f.sums",
            "/api/v1/tail" => "/api/v1/tail?step=f.in",
            path => path,
        };
        let (status, text) = get(asked);
        assert_eq!(status, 200, "{path}: {text}");
        check(&serde_json::from_str(&text).unwrap(), of, &schema, path);
    }
    assert_eq!(get("/api/v1/keys?step=f.in").0, 404);
    assert_eq!(get("/api/v1/keys?step=f.none").0, 404);
    assert_eq!(get("/api/v1/tail?step=f.in&output=none").0, 404);
    // One with all kinds of steps, and histograms.
    let report = serde_json::to_value(report()).unwrap();
    check(
        &report,
        &schema["properties"]["/api/v1/report"],
        &schema,
        "report",
    );
    let some = report.pointer("/steps/0/workers/0/batch_seconds/counts/0");
    assert!(some.is_some_and(Value::is_u64), "{report}");
}
