//! The time limits of the control connections.

use std::time::Duration;

/// The time limits of the control connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// From one heartbeat to the next.
    pub(super) heartbeat: Duration,
    /// The length of silence after which a peer is lost.
    pub(super) silence: Duration,
    /// How long a peer may take until its first message, which it sends once it is connected to all others.
    pub(super) first: Duration,
    /// How often a reader wakes up.
    pub(super) tick: Duration,
    /// How long a peer with a lost data connection may take to send the reason.
    pub(super) data_grace: Duration,
    /// How long sending the last messages may take.
    pub(super) flush: Duration,
    /// How long the peers of a failed process may take to leave.
    pub(super) leave: Duration,
}

impl Timing {
    /// The limits for peers that are lost after so much silence, and have so much time to connect.
    pub(super) fn new(silence: Duration, connecting: Duration) -> Self {
        Self {
            heartbeat: Duration::from_secs(1),
            silence,
            first: silence.saturating_add(connecting),
            tick: Duration::from_millis(250),
            data_grace: Duration::from_secs(1),
            flush: Duration::from_secs(1),
            leave: Duration::from_secs(1),
        }
    }
}

#[cfg(test)]
impl Default for Timing {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self::new(minute, minute)
    }
}
