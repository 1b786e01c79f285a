//! Sends something from each worker to all, before the flow itself is built.

use std::cell::RefCell;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use timely::dataflow::InputHandleVec;
use timely::dataflow::operators::vec::Broadcast;
use timely::dataflow::operators::{Input, Inspect};
use timely::worker::Worker;

use crate::codec;
use crate::error::{RunError, RunErrorKind};
use crate::kit::{Shared, WorkerCx};

/// A worker and its message.
type FromWorker = (usize, Vec<u8>);

/// Sends a message to all workers and returns the messages of all; `None` if the run stops in the meantime.
pub(super) fn exchange<T: Serialize + DeserializeOwned>(
    worker: &mut Worker,
    cx: &WorkerCx,
    mine: &T,
) -> Result<Option<Vec<T>>, RunError> {
    let internal = |error| RunError::new(RunErrorKind::Network, format!("{error}"));
    let mut bytes = Vec::new();
    codec::encode_wire(mine, &mut bytes).map_err(internal)?;
    let Some(all) = gather(worker, &cx.shared, bytes) else {
        return Ok(None);
    };
    let decode = |bytes: &Vec<u8>| codec::decode_wire(bytes).map_err(internal);
    all.iter().map(decode).collect::<Result<_, _>>().map(Some)
}

/// Returns the messages of all workers, by worker; `None` if the run stops in the meantime.
fn gather(worker: &mut Worker, shared: &Shared, mine: Vec<u8>) -> Option<Vec<Vec<u8>>> {
    let heard: Rc<RefCell<Vec<FromWorker>>> = Rc::default();
    let mut input = worker.dataflow::<u64, _, _>(|scope| {
        let (input, stream): (InputHandleVec<u64, FromWorker>, _) = scope.new_input();
        let heard = Rc::clone(&heard);
        stream
            .broadcast()
            .inspect(move |said| heard.borrow_mut().push(said.clone()));
        input
    });
    input.send((worker.index(), mine));
    input.close();
    while heard.borrow().len() < worker.peers() {
        if shared.is_stopping() {
            return None;
        }
        worker.step_or_park(None);
    }
    let mut heard = std::mem::take(&mut *heard.borrow_mut());
    heard.sort_unstable();
    Some(heard.into_iter().map(|(_, said)| said).collect())
}
