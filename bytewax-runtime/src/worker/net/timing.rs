//! The spans of time of the control connections.

use std::time::Duration;

/// The spans of time that the control connections know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// From one sign of life to the next.
    pub(super) heartbeat: Duration,
    /// After how much silence a peer is lost.
    pub(super) silence: Duration,
    /// How often a reader looks up.
    pub(super) tick: Duration,
    /// How long a peer whose data connection is lost may take to say why.
    pub(super) data_grace: Duration,
    /// How long the last words may take to get into the network.
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
