//! The report of a run and its flow as JSON, below `/api/v1`.
//!
//! Version 1 may gain fields and paths. A change that a client would have to follow makes a new version.

use hyper::StatusCode;
use hyper::body::Bytes;
use serde::Serialize;

use super::Offers;
use super::answer::{Answer, PLAIN, answer};
#[cfg(feature = "web")]
use super::live::Live;
use super::routes::{Cached, parameter};
use crate::execution::render;
use crate::flow::Graph;
use crate::kit::Question;
use crate::worker::{Detail, Reading};

const JSON: &str = "application/json";

/// The schema of all responses; a test generates it from their types.
pub(super) const SCHEMA: &str = include_str!("schema.json");

/// What there is to read.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Contents {
    /// The version of the responses.
    version: u32,
    /// The paths at this address.
    paths: &'static [&'static str],
    /// The ports of the pages of all processes that this machine has started together.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    ports: Vec<u16>,
}

pub(super) struct Api {
    reading: Reading,
    flow: Bytes,
    ports: Vec<u16>,
    /// With and without histograms, keys, and the other processes.
    reports: [Cached; 8],
    #[cfg(feature = "web")]
    pub(super) live: Live,
}

impl Api {
    pub(super) fn new(graph: &Graph, reading: Reading, ports: Vec<u16>) -> Self {
        Self {
            ports,
            flow: render::json(graph).into(),
            #[cfg(feature = "web")]
            live: Live::new(reading.clone()),
            reading,
            reports: Default::default(),
        }
    }

    /// Responds to a path below `/api`.
    pub(super) fn answer(&self, path: &str, query: Option<&str>, offers: Offers) -> Answer {
        match path {
            "" | "/" | "/v1" | "/v1/" => json(&Contents {
                version: 1,
                paths: paths(offers),
                ports: self.ports.clone(),
            }),
            "/v1/report" => self.report(query, offers),
            "/v1/flow" => answer(StatusCode::OK, JSON, self.flow.clone()),
            #[cfg(feature = "web")]
            "/v1/history" if offers.page => {
                let step = parameter(query, "step");
                known(self.live.course(step.as_deref()).as_ref())
            }
            #[cfg(feature = "web")]
            "/v1/keys" if offers.page => {
                let step = parameter(query, "step").unwrap_or_default();
                known(self.live.keys(&step).as_ref())
            }
            #[cfg(feature = "web")]
            "/v1/errors" if offers.page => json(&self.live.errors(is_whole(query))),
            #[cfg(feature = "web")]
            "/v1/tail" if offers.page => {
                let (step, output) = (parameter(query, "step"), parameter(query, "output"));
                let (step, output) = (step.unwrap_or_default(), output.unwrap_or("down".into()));
                known(self.live.tail(&step, &output).as_ref())
            }
            "/v1/schema" => answer(StatusCode::OK, "application/schema+json", SCHEMA),
            _ => {
                let text = format!("not found; see {}\n", paths(offers).join(", "));
                answer(StatusCode::NOT_FOUND, PLAIN, text)
            }
        }
    }

    fn report(&self, query: Option<&str>, offers: Offers) -> Answer {
        let detail = Detail {
            histograms: is_set(query, "histograms"),
            // The address of the metrics has no content of the flow.
            keys: offers.page,
        };
        let is_whole = is_whole(query);
        let kind = [detail.histograms, detail.keys, is_whole];
        let kind = kind.iter().fold(0, |kind, is| 2 * kind + usize::from(*is));
        let read = || match is_whole {
            true => self.reading.read_whole(detail),
            false => self.reading.read(detail),
        };
        match self.reports[kind].get(|| serde_json::to_string(&read())) {
            Ok(text) => answer(StatusCode::OK, JSON, text),
            Err(error) => cannot_encode(&error),
        }
    }
}

/// Whether a request is for the whole cluster.
pub(super) fn is_whole(query: Option<&str>) -> bool {
    is_set(query, "all")
}

/// Whether a parameter is `true`.
fn is_set(query: Option<&str>, name: &str) -> bool {
    parameter(query, name).is_some_and(|value| value == "true")
}

/// What the other processes must be asked before the response to a path below `/api`.
pub(super) fn question(path: &str, query: Option<&str>) -> Option<Question> {
    let question = Question {
        histograms: path == "/v1/report" && is_set(query, "histograms"),
        errors: path == "/v1/errors",
    };
    let is_asked = ["/v1/report", "/v1/errors"].contains(&path);
    (is_asked && is_whole(query)).then_some(question)
}

fn paths(offers: Offers) -> &'static [&'static str] {
    const ALL: [&str; 7] = [
        "/api/v1/flow",
        "/api/v1/report",
        "/api/v1/schema",
        "/api/v1/history",
        "/api/v1/keys",
        "/api/v1/errors",
        "/api/v1/tail",
    ];
    // The address of the metrics has no content of the flow.
    if offers.page { &ALL } else { &ALL[..3] }
}

/// The response for a step, if there is such a step.
#[cfg(feature = "web")]
fn known(value: Option<&impl Serialize>) -> Answer {
    let none =
        "not found: give `step` the id of a step, which has state per key or this `output`\n";
    value.map_or_else(|| answer(StatusCode::NOT_FOUND, PLAIN, none), json)
}

fn json(value: &impl Serialize) -> Answer {
    match serde_json::to_string(value) {
        Ok(text) => answer(StatusCode::OK, JSON, text),
        Err(error) => cannot_encode(&error),
    }
}

fn cannot_encode(error: &serde_json::Error) -> Answer {
    let text = format!("the response cannot be encoded: {error}\n");
    answer(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, text)
}
