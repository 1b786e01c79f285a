//! The time limits of the control connections.

use std::time::Duration;

/// The time limits of the control connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// From one heartbeat to the next.
    pub(super) heartbeat: Duration,
    /// The length of silence after which a peer is lost.
    pub(super) silence: Duration,
    /// How often a reader wakes up.
    pub(super) tick: Duration,
    /// How long a peer with a lost data connection may take to send the reason.
    pub(super) data_grace: Duration,
    /// How long sending the last messages may take.
    pub(super) flush: Duration,
    /// How long the peers of a failed process may take to leave.
    pub(super) leave: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(5),
            silence: Duration::from_secs(60),
            tick: Duration::from_millis(250),
            data_grace: Duration::from_secs(1),
            flush: Duration::from_secs(1),
            leave: Duration::from_secs(1),
        }
    }
}
