//! The part of this process in the savepoints that other processes coordinate. A thread takes the steps; it
//! starts with the first savepoint.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::{io, thread};

use super::net::Control;
use super::store::RecoveryConfig;
use crate::logged::Logged;
use crate::recovery::{Own, Reply, SavepointStep};

/// A wanted step: the process that coordinates, the number of the step, and the step.
type Wanted = (usize, u32, String);

/// Takes steps of savepoints.
pub(super) struct Savepoints {
    taker: Taker,
    logged: Logged,
    wanted: Mutex<Option<Sender<Wanted>>>,
}

#[derive(Clone)]
struct Taker {
    recovery: Option<RecoveryConfig>,
    process: usize,
    is_copied: Arc<AtomicBool>,
    control: Weak<Control>,
}

impl Savepoints {
    pub(super) fn new(
        recovery: Option<RecoveryConfig>,
        process: usize,
        is_copied: &Arc<AtomicBool>,
        control: &Arc<Control>,
    ) -> Self {
        Self {
            taker: Taker {
                recovery,
                process,
                is_copied: Arc::clone(is_copied),
                control: Arc::downgrade(control),
            },
            logged: Logged::here(),
            wanted: Mutex::default(),
        }
    }

    /// Takes a step on another thread.
    pub(super) fn take(&self, process: usize, number: u32, text: String) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted.is_none() {
            let (sender, inbox) = channel();
            match self.spawn(inbox) {
                Ok(()) => *wanted = Some(sender),
                Err(error) => {
                    let text = format!("the thread of savepoints could not be started: {error}");
                    return self.taker.answer(process, number, &Reply::Failed(text));
                }
            }
        }
        let sent = wanted
            .as_ref()
            .map(|wanted| wanted.send((process, number, text)));
        if !matches!(sent, Some(Ok(()))) {
            let text = "the thread of savepoints has ended".to_owned();
            self.taker.answer(process, number, &Reply::Failed(text));
        }
    }

    fn spawn(&self, inbox: Receiver<Wanted>) -> io::Result<()> {
        let (taker, logged) = (self.taker.clone(), self.logged.clone());
        thread::Builder::new()
            .name("bytewax:savepoint".to_owned())
            .spawn(move || logged.run(|| taker.run(&inbox)))
            .map(drop)
    }
}

/// The savepoint in which this process takes part.
struct Current {
    /// The process that coordinates it.
    coordinator: usize,
    /// The part of this process, if it has one.
    own: Option<Own>,
    _held: Hold,
}

/// No epoch is collected as long as this lives.
struct Hold(Arc<AtomicBool>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Taker {
    fn run(&self, inbox: &Receiver<Wanted>) {
        let mut current = None;
        while let Ok((process, number, text)) = inbox.recv() {
            let reply = match serde_json::from_str(&text) {
                Ok(step) => self.step(process, &step, &mut current),
                Err(error) => Reply::Failed(format!("it cannot read the step: {error}")),
            };
            self.answer(process, number, &reply);
        }
    }

    fn answer(&self, process: usize, number: u32, reply: &Reply) {
        if let (Some(control), Ok(text)) = (self.control.upgrade(), serde_json::to_string(reply)) {
            control.stepped(process, number, text);
        }
    }

    fn step(&self, process: usize, step: &SavepointStep, current: &mut Option<Current>) -> Reply {
        if let SavepointStep::Hold { name } = step {
            return self.hold(process, name, current);
        }
        let Some(own) = current.as_mut().filter(|it| it.coordinator == process) else {
            // The coordinator releases all, also those that were busy.
            return Reply::Done;
        };
        let reply = own.own.as_mut().map_or(Reply::Done, |own| own.take(step));
        if matches!(step, SavepointStep::Release { .. }) {
            *current = None;
        }
        reply
    }

    /// Keeps a view of the partitions as they are now.
    fn hold(&self, process: usize, name: &str, current: &mut Option<Current>) -> Reply {
        let held = match current.take() {
            // It looks again.
            Some(own) if own.coordinator == process => own._held,
            Some(other) => {
                *current = Some(other);
                return Reply::Busy;
            }
            None if self.is_copied.swap(true, Ordering::AcqRel) => return Reply::Busy,
            None => Hold(Arc::clone(&self.is_copied)),
        };
        let Some(recovery) = &self.recovery else {
            return Reply::Failed("it saves nothing: it has no `--recovery-directory`".to_owned());
        };
        match recovery.hold(name, self.process) {
            Ok((own, found)) => {
                *current = Some(Current {
                    coordinator: process,
                    own,
                    _held: held,
                });
                Reply::Held(found)
            }
            Err(error) => Reply::failed(error),
        }
    }
}
