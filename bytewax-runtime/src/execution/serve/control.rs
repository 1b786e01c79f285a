//! Requests that stop a run or save its state. They require the token.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread;

use hyper::{HeaderMap, Method, StatusCode};
use tokio::sync::oneshot;

use super::answer::{Answer, PLAIN, answer, has_token, unauthorized, wrong_method};
#[cfg(feature = "cli")]
use crate::execution::signals;
use crate::execution::stopping::StoppedBy;
#[cfg(not(feature = "cli"))]
use crate::execution::stopping::stop_cleanly;
use crate::execution::token::Token;
use crate::kit::Shared;
use crate::logged::Logged;
use crate::worker::RecoveryConfig;

/// The longest name of a savepoint.
const LONGEST: usize = 64;

/// The permitted actions of clients with the token.
pub(crate) struct Control {
    token: Token,
    shared: Weak<Shared>,
    flow: String,
    recovery: Option<RecoveryConfig>,
    logged: Logged,
    /// Whether a savepoint is in progress; the run then keeps the epochs that it may still read.
    saves: Arc<AtomicBool>,
}

/// A requested action.
#[derive(Clone, Copy)]
pub(super) enum Request<'a> {
    Stop,
    Savepoint(&'a str),
}

impl<'a> Request<'a> {
    /// The action that a path requests, if any.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        match path.strip_prefix("/savepoint/") {
            Some(name) => Some(Self::Savepoint(name)),
            None => (path == "/stop").then_some(Self::Stop),
        }
    }
}

/// Performs the requested action, if the client is authorised.
pub(super) async fn respond(
    control: Option<&Control>,
    wanted: Request<'_>,
    method: &Method,
    headers: &HeaderMap,
) -> Answer {
    if *method != Method::POST {
        return wrong_method("POST");
    }
    let Some(control) = control else {
        let text = "forbidden: the run has no `--control-token` (BYTEWAX_CONTROL_TOKEN)\n";
        return answer(StatusCode::FORBIDDEN, PLAIN, text);
    };
    if !has_token(headers, [&control.token]) {
        return unauthorized(
            "send the token of the run in a header `Authorization: Bearer TOKEN`\n",
        );
    }
    control.act(wanted).await
}

impl Control {
    pub(crate) fn new(
        token: Token,
        flow: &str,
        shared: &Arc<Shared>,
        recovery: Option<RecoveryConfig>,
    ) -> Self {
        Self {
            token,
            shared: Arc::downgrade(shared),
            flow: flow.to_owned(),
            recovery,
            logged: Logged::here(),
            saves: Arc::clone(&shared.is_copied),
        }
    }

    /// The token of clients that may change the run.
    pub(super) fn token(&self) -> &Token {
        &self.token
    }

    /// Whether a savepoint is in progress, for which a connection may wait.
    pub(super) fn is_saving(&self) -> bool {
        self.saves.load(Ordering::Acquire)
    }

    async fn act(&self, request: Request<'_>) -> Answer {
        match request {
            Request::Stop => self.stop(),
            Request::Savepoint(name) => self.savepoint(name).await,
        }
    }

    fn stop(&self) -> Answer {
        let Some(shared) = self.shared.upgrade() else {
            return has_ended();
        };
        self.logged.clone().run(|| {
            tracing::info!("a request stops the run");
        });
        #[cfg(feature = "cli")]
        signals::stop(&shared, StoppedBy::Request);
        // The process belongs to the program.
        #[cfg(not(feature = "cli"))]
        stop_cleanly(&shared, StoppedBy::Request, |_| {});
        let text = "the run stops when its epoch is complete\n";
        answer(StatusCode::ACCEPTED, PLAIN, text)
    }

    async fn savepoint(&self, name: &str) -> Answer {
        if !is_name(name) {
            let text = format!(
                "the name of a savepoint has 1 to {LONGEST} letters, digits, `-`, `_` and `.`, and does not begin with `.`\n"
            );
            return answer(StatusCode::BAD_REQUEST, PLAIN, text);
        }
        let Some(recovery) = self.recovery.clone() else {
            let text = "the run saves nothing: it has no `--recovery-directory`\n";
            return answer(StatusCode::CONFLICT, PLAIN, text);
        };
        let Some(shared) = self.shared.upgrade() else {
            return has_ended();
        };
        if self.saves.swap(true, Ordering::AcqRel) {
            let text = "another savepoint is in progress; retry when it is complete\n";
            return answer(StatusCode::CONFLICT, PLAIN, text);
        }
        let (made, done) = oneshot::channel();
        let saves = Saves(Arc::clone(&self.saves));
        let (flow, name, logged) = (self.flow.clone(), name.to_owned(), self.logged.clone());
        let thread = thread::Builder::new()
            .name("bytewax-savepoint".to_owned())
            .spawn(move || {
                let answer = logged.run(|| save(&shared, &recovery, &flow, &name));
                drop(saves);
                // The client may have disconnected.
                let _ = made.send(answer);
            });
        match (thread, done.await) {
            (Ok(_), Ok(answer)) => answer,
            _ => {
                let text = "the savepoint failed: its thread did not start, or ended\n";
                answer(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, text)
            }
        }
    }
}

fn has_ended() -> Answer {
    answer(StatusCode::CONFLICT, PLAIN, "the run has ended\n")
}

/// Set while a savepoint is in progress.
struct Saves(Arc<AtomicBool>);

impl Drop for Saves {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

fn is_name(name: &str) -> bool {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=LONGEST).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(is_of_name)
}

#[cfg(feature = "recovery")]
fn save(shared: &Shared, recovery: &RecoveryConfig, flow: &str, name: &str) -> Answer {
    use crate::error::RunError;
    use crate::recovery::{Error, Reply, Savepoint, SavepointStep};

    let others = |step: &SavepointStep| {
        let unreadable = |error| Reply::Failed(format!("its answer cannot be read: {error}"));
        let step = serde_json::to_string(step).map_err(|_| Error::Misrouted)?;
        let replies = shared.round(&step).ok_or(Error::RunEnded)?.into_iter();
        let read = |text: String| serde_json::from_str(&text).unwrap_or_else(unreadable);
        Ok(replies.map(|(by, text)| (by, read(text))).collect())
    };
    match recovery.savepoint(flow, name, shared.process(), &others) {
        Ok(Savepoint {
            place,
            epoch,
            partitions,
        }) => {
            let text = format!("epoch {epoch} is saved in {place}, in {partitions} partitions");
            tracing::info!(epoch = epoch.0, "a request created a savepoint: {text}");
            answer(StatusCode::CREATED, PLAIN, format!("{text}\n"))
        }
        Err(error) => {
            let status = match error {
                Error::NothingComplete
                | Error::RunEnded
                | Error::SavepointExists { .. }
                | Error::SavepointIncomplete { .. }
                | Error::SavepointInProgress => StatusCode::CONFLICT,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            let report = RunError::recovery(error).report();
            tracing::warn!("a savepoint failed: {report}");
            answer(status, PLAIN, format!("{report}\n"))
        }
    }
}

#[cfg(not(feature = "recovery"))]
fn save(_: &Shared, recovery: &RecoveryConfig, _: &str, _: &str) -> Answer {
    match *recovery {}
}

#[cfg(test)]
#[cfg(feature = "recovery")]
mod tests;
