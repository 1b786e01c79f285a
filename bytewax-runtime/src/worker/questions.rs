//! Answers the questions of other processes, on a thread of its own: reports of many steps take a while.

use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread;

use super::net::Control;
use super::reading::Reading;
use crate::kit::Question;
use crate::logged::Logged;

/// The most questions that wait. A process asks a few times a second at most; what is more is not answered.
const WAITING: usize = 16;

/// A question of a process, and its number.
pub(super) type Asked = (usize, u32, Question);

/// Answers questions until the sender is dropped.
pub(super) fn answer(reading: Reading, control: &Arc<Control>) -> io::Result<SyncSender<Asked>> {
    let (sender, asked) = sync_channel::<Asked>(WAITING);
    let (control, logged) = (Arc::downgrade(control), Logged::here());
    thread::Builder::new()
        .name("bytewax:answers".to_owned())
        .spawn(move || {
            logged.run(|| {
                while let Ok((process, number, question)) = asked.recv() {
                    let Some(control) = Weak::upgrade(&control) else {
                        break;
                    };
                    // Without a text the other process knows at least that this one runs.
                    let text = serde_json::to_string(&reading.answer(question));
                    control.answer(process, number, text.unwrap_or_default());
                }
            });
        })?;
    Ok(sender)
}
