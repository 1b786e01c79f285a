//! Compares the series of a report with the guide and with the dashboard for Grafana.

use std::collections::BTreeSet;

use serde_json::Value;

use super::encode;
use super::tests::{report, samples};
use crate::report::{
    LagReport, ProcessReport, ProcessState, RunReport, StallKind, StallReport, UnfinishedEpoch,
};

const GUIDE: &str = include_str!("../../../../../docs/guide/src/production.md");

const DASHBOARD: &str = include_str!("../../../../../docs/guide/src/grafana.json");

/// A report with samples of all series.
fn full_report() -> RunReport {
    let mut report = report();
    for worker in &mut report.workers {
        worker.unfinished = Some(UnfinishedEpoch {
            epoch: 1,
            seconds: 1.0,
        });
    }
    let steps = report.steps.iter_mut();
    for partition in steps
        .flat_map(|step| &mut step.workers)
        .flat_map(|numbers| &mut numbers.partitions)
    {
        partition.lag = Some(LagReport {
            items: Some(1),
            bytes: Some(1),
            messages: Some(1),
        });
    }
    let state = ProcessState::Slow;
    report.members.push(ProcessReport::new(0, state, Some(4.0)));
    report.stalls.push(StallReport {
        kind: StallKind::Step,
        step: None,
        worker: Some(0),
        partition: None,
        seconds: 2.0,
        cause: "the step does not return".to_owned(),
    });
    report
}

/// The names of all series, without the parts of histograms.
fn emitted() -> BTreeSet<String> {
    let text = encode::text(full_report()).unwrap();
    let samples = samples(&text);
    let whole = |name: &str| {
        let parts = ["_bucket", "_sum", "_count"];
        let histogram = parts.iter().find_map(|part| name.strip_suffix(part));
        histogram.unwrap_or(name).to_owned()
    };
    samples.keys().map(|(name, _)| whole(name)).collect()
}

/// The names of series in a text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let series = words.filter(|word| word.starts_with("bytewax_"));
    series.map(str::to_owned).collect()
}

#[test]
fn the_guide_describes_each_series() {
    let of_table = GUIDE.lines().filter(|line| line.starts_with("| `bytewax_"));
    let described: BTreeSet<_> = of_table.flat_map(names).collect();
    assert_eq!(described, emitted());
}

#[test]
fn the_dashboard_queries_series_that_exist() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let emitted = emitted();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut queried = BTreeSet::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().unwrap();
        assert!(panel["description"].is_string(), "{title}");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title}");
        for target in targets {
            let query = target["expr"].as_str().unwrap();
            let of_query = names(query);
            assert!(!of_query.is_empty(), "{query}");
            for name in of_query {
                let series = name.strip_suffix("_bucket").unwrap_or(&name);
                assert!(emitted.contains(series), "{title}: {name}");
                queried.insert(series.to_owned());
            }
        }
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    for variable in variables.iter().filter(|one| one["type"] == "query") {
        let query = variable["definition"].as_str().unwrap();
        let known = |name: &String| !name.starts_with("bytewax_") || emitted.contains(name);
        assert!(names(query).iter().all(known), "{query}");
    }
    assert!(queried.len() >= 25, "{queried:?}");
}

/// Panels must not lie on one another: Grafana would move them.
#[test]
fn the_panels_of_the_dashboard_do_not_overlap() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()));
        for x in at("x")..at("x") + at("w") {
            assert!(x < 24);
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{}", panel["title"]);
            }
        }
    }
}
