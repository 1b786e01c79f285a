//! The causes of the cluster's end.

use std::collections::BTreeSet;

use super::message::Message;

/// Records the causes of the end, so that each is forwarded once and consequences do not count as causes.
#[derive(Debug, Default)]
pub(super) struct EndCauses {
    failed: BTreeSet<usize>,
    stopped: bool,
    lost: bool,
}

/// How to handle a message about the end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Notify this process and all others.
    First,
    /// Notify this process.
    More,
    /// The cause is known, or follows from a known one.
    Old,
}

impl EndCauses {
    /// Whether the cluster is ending for a known cause.
    pub(super) fn any(&self) -> bool {
        self.stopped || self.lost || !self.failed.is_empty()
    }

    /// Records a message.
    pub(super) fn receive(&mut self, message: &Message) -> News {
        let first = !self.any();
        let new = match message {
            Message::Failed { process, .. } => self.failed.insert(*process),
            Message::Stop { .. } => !std::mem::replace(&mut self.stopped, true),
            // Processes leave an ending cluster. That is not a cause of its own.
            Message::Lost { .. } if first => !std::mem::replace(&mut self.lost, true),
            _ => false,
        };
        match (new, first) {
            (true, true) => News::First,
            (true, false) => News::More,
            (false, _) => News::Old,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::StopReason;
    use super::*;

    fn failed(process: usize) -> Message {
        Message::Failed {
            process,
            place: None,
            text: String::new(),
        }
    }

    #[test]
    fn each_failure_is_told_once_and_losses_only_first() {
        let mut causes = EndCauses::default();
        let lost = Message::Lost {
            process: 1,
            by: 0,
            why: String::new(),
        };
        assert_eq!(causes.receive(&Message::Heartbeat), News::Old);
        assert!(!causes.any());
        assert_eq!(causes.receive(&failed(1)), News::First);
        assert_eq!(causes.receive(&failed(1)), News::Old);
        assert_eq!(causes.receive(&failed(2)), News::More);
        assert_eq!(causes.receive(&lost), News::Old);
        let mut causes = EndCauses::default();
        assert_eq!(causes.receive(&lost), News::First);
        assert_eq!(causes.receive(&lost), News::Old);
        let stop = Message::Stop {
            process: 0,
            reason: StopReason::Aborted,
        };
        assert_eq!(causes.receive(&stop), News::More);
        assert_eq!(causes.receive(&stop), News::Old);
    }
}
