//! What the addresses show of a run with open windows and errors.

use std::net::SocketAddr;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use serde_json::Value;

use super::{anywhere, ask};
use crate::RunConfig;
use crate::execution::serve::{Here, Serving};
use crate::kit::Shared;
use crate::prelude::*;
use crate::secret::Secret;
use crate::testing::{TestingSink, TestingSource};
use crate::windowing::{EventClock, Millis, TumblingWindower};
use crate::worker::{Job, Reading, run_here};

fn json(address: SocketAddr, path: &str) -> Value {
    let (status, _, body) = ask(address, path, "Host: localhost\r\n");
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

#[test]
fn errors_and_windows_have_keys_and_the_address_of_the_metrics_hides_them() {
    let flow = Dataflow::build("f", |flow| {
        let numbers = flow.input(TestingSource::new([1, 2])).named("in");
        let known = numbers.try_map(|n| if *n == 2 { Err("of nobody") } else { Ok(()) });
        let known = known.named("known");
        known.errs.skip_counted().named("unknown");
        known.oks.output(TestingSink::new()).named("all");
        let keyed = visits_of(flow);
        let checked = keyed.clone().try_map(|(_, ms)| match ms {
            ..0 => Err("before 1970"),
            _ => Ok(()),
        });
        let checked = checked.named("checked");
        checked.errs.skip_counted().named("skipped");
        checked.oks.output(TestingSink::new()).named("right");
        let secret = keyed.clone().key_rm().named("rm");
        let secret = secret.key_on(|ms| Secret(*ms)).named("secret");
        let hidden = secret.try_map(|(_, ms)| if *ms < 0 { Err("hidden") } else { Ok(()) });
        let hidden = hidden.named("hidden");
        hidden.errs.skip_counted().named("left");
        hidden.oks.output(TestingSink::new()).named("rest");
        let clock = EventClock::new(|ms: &i64| Millis(*ms), TimeDelta::zero());
        let days = TumblingWindower::new(TimeDelta::days(1), DateTime::UNIX_EPOCH).keep_open();
        let counts = keyed.count_window(clock, days).named("counts");
        counts.down.output(TestingSink::new()).named("out");
    });
    let shared = Arc::new(Shared::new(RunConfig::new().settings(), 0..1));
    let reading = Reading::new(flow.graph(), &shared);
    let serving = Serving {
        metrics: Some(anywhere()),
        page: Some(anywhere()),
        ..Serving::default()
    };
    let server = serving.start(flow.graph(), &reading, &shared, None, Here::default());
    let server = server.unwrap().unwrap();
    let graph = Arc::clone(flow.graph());
    let job = Job {
        graph,
        recovery: None,
    };
    run_here(&Arc::new(job), &shared).unwrap();
    let [metrics, page] = server.addresses() else {
        panic!("it has two addresses");
    };

    let errors = json(*page, "/api/v1/errors");
    let errors = errors["errors"].as_array().unwrap();
    let key = |step: &str| {
        let error = errors.iter().find(|error| error["step"] == step);
        error.unwrap_or_else(|| panic!("no error of {step}"))["key"].clone()
    };
    assert_eq!(key("f.checked"), "\"bob\"");
    assert_eq!(key("f.hidden"), "Secret");
    assert_eq!(key("f.known"), Value::Null, "it has no key");

    let windows = |address: SocketAddr, query: &str| {
        let report = json(address, &format!("/api/v1/report{query}"));
        let steps = report["steps"].as_array().unwrap();
        let counts = steps.iter().find(|step| step["step"] == "f.counts");
        counts.unwrap()["workers"][0]["windows"].clone()
    };
    for query in ["", "?histograms=true"] {
        let (shown, hidden) = (windows(*page, query), windows(*metrics, query));
        assert_eq!(shown["open"], 3, "{shown}");
        assert_eq!(shown["key"], "\"bob\"", "{shown}");
        assert_eq!(shown["oldest"], "1969-12-31T00:00:00Z", "{shown}");
        assert_eq!(shown["closes_at"], "1970-01-01T00:00:00Z", "{shown}");
        assert_eq!(hidden["key"], Value::Null, "{hidden}");
        assert_eq!(hidden["open"], 3, "{hidden}");
    }
}

/// Visits by name, with the time of each.
fn visits_of(flow: &crate::flow::Flow) -> KeyedStream<String, i64> {
    let visits = [("ann", 3), ("bob", -3_600_000), ("eve", 5)];
    let visits = flow.input(TestingSource::new(visits)).named("visits");
    let keyed = visits.key_on(|(name, _)| (*name).to_owned()).named("keys");
    keyed.map_value(|(_, ms)| ms).named("times")
}
