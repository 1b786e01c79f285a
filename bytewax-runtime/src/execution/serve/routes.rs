//! The paths of the server, and what each responds.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::body::{Bytes, Incoming};
use hyper::header::{HOST, HeaderValue};
use hyper::{HeaderMap, Method, Request, StatusCode};
use percent_encoding::percent_decode_str;
#[cfg(feature = "web")]
use tokio::time::MissedTickBehavior;

use super::Offers;
use super::answer::{Answer, PLAIN, answer, has_token, unauthorized, wrong_method};
use super::api::{self, Api};
use super::control::{self, Control};
#[cfg(feature = "web")]
use super::live::EVERY;
#[cfg(feature = "metrics")]
use super::metrics;
#[cfg(feature = "web")]
use super::page;
use crate::execution::token::Token;
use crate::kit::{PATIENCE, Question};
#[cfg(feature = "metrics")]
use crate::report::RunReport;
use crate::report::RunState;
#[cfg(feature = "metrics")]
use crate::worker::Detail;
use crate::worker::Reading;

/// How long a response that many clients may ask for is cached.
const FRESH: Duration = Duration::from_millis(500);

/// How often answers of other processes are looked for.
const GATHERING: Duration = Duration::from_millis(5);

/// What the server knows of the run.
pub(super) struct Routes {
    reading: Reading,
    api: Api,
    /// Without it, changes are refused.
    control: Option<Control>,
    /// Without it, the page is shown to all who can reach it.
    viewers: Option<Token>,
    #[cfg(feature = "metrics")]
    metrics: Cached,
    /// Those of all processes.
    #[cfg(feature = "metrics")]
    all_metrics: Cached,
}

impl Routes {
    pub(super) fn new(
        api: Api,
        reading: Reading,
        control: Option<Control>,
        viewers: Option<Token>,
    ) -> Self {
        Self {
            api,
            reading,
            control,
            viewers,
            #[cfg(feature = "metrics")]
            metrics: Cached::default(),
            #[cfg(feature = "metrics")]
            all_metrics: Cached::default(),
        }
    }

    /// Follows the run, for those who open the page later.
    #[cfg(feature = "web")]
    pub(super) async fn follow(&self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.api.live.tick();
        }
    }

    pub(super) fn is_saving(&self) -> bool {
        self.control.as_ref().is_some_and(Control::is_saving)
    }

    /// Responds to a request at an address with these offers. `is_local` tells whether the client is on this
    /// machine.
    pub(super) async fn answer(
        &self,
        request: &Request<Incoming>,
        offers: Offers,
        is_local: bool,
    ) -> Answer {
        let (path, headers) = (request.uri().path(), request.headers());
        if let Some(wanted) = control::Request::of(path) {
            let control = self.control.as_ref();
            return control::respond(control, wanted, request.method(), headers).await;
        }
        let Some(place) = Place::of(path, offers) else {
            let text = format!("not found; see {}\n", offers.paths().join(", "));
            return answer(StatusCode::NOT_FOUND, PLAIN, text);
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return wrong_method("GET, HEAD");
        }
        match place {
            Place::Health => self.health(|state| state != RunState::Failed),
            Place::Ready => self.health(|state| state == RunState::Running),
            Place::Contents => answer(StatusCode::OK, PLAIN, offers.paths().join("\n") + "\n"),
            #[cfg(feature = "metrics")]
            Place::Metrics if api::is_whole(request.uri().query()) => {
                let histograms = true;
                let question = Question {
                    histograms,
                    ..Question::default()
                };
                self.gather(question).await;
                let detail = Detail {
                    histograms,
                    keys: false,
                };
                respond(&self.all_metrics, || self.reading.read_whole(detail))
            }
            #[cfg(feature = "metrics")]
            Place::Metrics => respond(&self.metrics, || self.reading.report()),
            #[cfg(feature = "web")]
            Place::Page(file) => page::answer_file(file),
            Place::Api(path) => match self.refusal(offers, is_local, headers) {
                Some(refused) => refused,
                None => {
                    let query = request.uri().query();
                    if let Some(question) = api::question(path, query) {
                        self.gather(question).await;
                    }
                    self.api.answer(path, query, offers)
                }
            },
        }
    }

    /// Refuses to show what only viewers may see. The address of the metrics shows no more than they do.
    fn refusal(&self, offers: Offers, is_local: bool, headers: &HeaderMap) -> Option<Answer> {
        if !offers.page {
            return None;
        }
        match &self.viewers {
            Some(viewers) => {
                let control = self.control.as_ref().map(Control::token);
                let text = "send the token of the page in a header `Authorization: Bearer TOKEN`\n";
                let is_known = has_token(headers, control.into_iter().chain([viewers]));
                (!is_known).then(|| unauthorized(text))
            }
            None => {
                let text = "forbidden: without a token, the page is for this machine alone, by an address or name of it\n";
                let is_own = is_local && is_own_name(headers.get(HOST));
                (!is_own).then(|| answer(StatusCode::FORBIDDEN, PLAIN, text))
            }
        }
    }

    /// The state of the run, and whether it is healthy.
    fn health(&self, is_good: impl Fn(RunState) -> bool) -> Answer {
        let state = self.reading.meter.state();
        let status = match is_good(state) {
            true => StatusCode::OK,
            false => StatusCode::SERVICE_UNAVAILABLE,
        };
        answer(status, PLAIN, format!("{}\n", state.as_str()))
    }

    /// Asks the other processes, and waits until those that are not slow have answered.
    async fn gather(&self, question: Question) {
        let Some(asked) = self.reading.ask(question) else {
            return;
        };
        let until = Instant::now() + PATIENCE;
        while !self.reading.are_complete(asked) && Instant::now() < until {
            tokio::time::sleep(GATHERING).await;
        }
    }
}

/// Responds with the metrics of a report.
#[cfg(feature = "metrics")]
fn respond(cached: &Cached, report: impl FnOnce() -> RunReport) -> Answer {
    match cached.get(|| metrics::text(report())) {
        Ok(text) => answer(StatusCode::OK, metrics::CONTENT_TYPE, text),
        Err(error) => {
            let text = format!("the metrics cannot be encoded: {error}\n");
            answer(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, text)
        }
    }
}

/// The resource of a path.
enum Place<'a> {
    Health,
    Ready,
    /// The list of paths.
    Contents,
    #[cfg(feature = "metrics")]
    Metrics,
    #[cfg(feature = "web")]
    Page(page::File),
    /// The rest of a path below `/api`.
    Api(&'a str),
}

impl<'a> Place<'a> {
    fn of(path: &'a str, offers: Offers) -> Option<Self> {
        #[cfg(feature = "web")]
        if offers.page
            && let Some(file) = page::file(path)
        {
            return Some(Self::Page(file));
        }
        Some(match path {
            "/healthz" => Self::Health,
            "/readyz" => Self::Ready,
            #[cfg(feature = "metrics")]
            "/metrics" if offers.metrics => Self::Metrics,
            "/" => Self::Contents,
            _ => {
                let below = path.strip_prefix("/api")?;
                (below.is_empty() || below.starts_with('/')).then_some(Self::Api(below))?
            }
        })
    }
}

impl Offers {
    /// The paths that a person may look at.
    fn paths(self) -> Vec<&'static str> {
        let mut paths = Vec::new();
        if self.page {
            paths.push("/");
        }
        if self.metrics {
            paths.push("/metrics");
        }
        paths.extend(["/healthz", "/readyz", "/api/v1"]);
        paths
    }
}

/// Whether a request was sent to a name of this machine. A page of another site whose name was made to mean this
/// machine sends its own.
fn is_own_name(host: Option<&HeaderValue>) -> bool {
    let Some(host) = host else {
        // Browsers always send it.
        return true;
    };
    let host = host.to_str().unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(bracketed) => bracketed
            .split_once(']')
            .map_or(bracketed, |(name, _)| name),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let is_loopback = name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    is_loopback || name.eq_ignore_ascii_case("localhost")
}

/// Reads bytes as a path with a query, and as the name of a host.
#[cfg(feature = "recovery")]
pub(super) fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (&*text, None),
    };
    let offers = Offers {
        metrics: true,
        page: true,
    };
    let _ = (Place::of(path, offers), parameter(query, "step"));
    let _ = api::question(path, query);
    let host = HeaderValue::from_bytes(bytes).ok();
    let _ = is_own_name(host.as_ref());
}

/// A parameter of a query.
pub(super) fn parameter<'a>(query: Option<&'a str>, name: &str) -> Option<Cow<'a, str>> {
    let mut pairs = query?.split('&');
    let value = pairs.find_map(|pair| pair.split_once('=').filter(|(known, _)| *known == name));
    percent_decode_str(value?.1).decode_utf8().ok()
}

/// A response that is made at most twice a second, so that many clients cost no more than one.
#[derive(Default)]
pub(super) struct Cached(Mutex<Option<(Instant, Bytes)>>);

impl Cached {
    pub(super) fn get<E>(&self, make: impl FnOnce() -> Result<String, E>) -> Result<Bytes, E> {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = cached.as_ref().filter(|(made, _)| made.elapsed() < FRESH) {
            return Ok(known.clone());
        }
        let made = Bytes::from(make()?);
        *cached = Some((Instant::now(), made.clone()));
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_its_own() {
        for (host, is_own) in [
            ("localhost", true),
            ("LocalHost:8088", true),
            ("127.0.0.1:8088", true),
            ("127.1.2.3", true),
            ("[::1]:8088", true),
            ("[::1]", true),
            ("evil.example:8088", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("192.168.1.2:8088", false),
            ("[fe80::1]:8088", false),
            ("", false),
        ] {
            let value = HeaderValue::from_str(host).unwrap();
            assert_eq!(is_own_name(Some(&value)), is_own, "{host}");
        }
        assert!(is_own_name(None));
        assert!(!is_own_name(Some(
            &HeaderValue::from_bytes(b"\xff").unwrap()
        )));
    }

    #[test]
    fn parameters_are_decoded() {
        let query = Some("step=f.map%231&x&histograms=true&bad=%ff");
        assert_eq!(parameter(query, "step").as_deref(), Some("f.map#1"));
        assert_eq!(parameter(query, "histograms").as_deref(), Some("true"));
        assert_eq!(parameter(query, "x"), None);
        assert_eq!(parameter(query, "bad"), None);
        assert_eq!(parameter(None, "step"), None);
    }
}
