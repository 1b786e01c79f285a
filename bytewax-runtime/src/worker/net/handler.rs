//! The reaction of a process to messages of others.

use super::message::StopReason;

/// Handles the messages of other processes. The reading threads call it; it must not end the control.
pub(crate) trait Handler: Send + Sync {
    /// Process `process` has failed. Called once per process.
    fn failed(&self, process: usize, place: Option<&str>, text: &str);
    /// Process `process` was asked to stop the cluster. Called once.
    fn stopped(&self, process: usize, reason: StopReason);
    /// Process `process` was asked to stop the cluster after the present epoch.
    fn stops_cleanly(&self, process: usize, reason: StopReason);
    /// Worker `worker` may send items of `load` more bytes on edge `edge`.
    fn credit(&self, edge: u32, worker: u32, load: u64);
    /// A worker of another process has begun this epoch.
    fn epoch(&self, epoch: u64);
    /// Process `process` asks for the numbers of this one: answer with `Control::answer`, on another thread.
    fn asked(&self, process: usize, number: u32, what: u8);
    /// Process `process` has answered a question.
    fn answered(&self, process: usize, number: u32, text: String);
    /// Process `process` coordinates a savepoint, in which this one takes a step: answer with `Control::stepped`, on
    /// another thread.
    fn steps(&self, process: usize, number: u32, text: String);
    /// Process `process` has taken a step of a savepoint.
    fn stepped(&self, process: usize, number: u32, text: String);
    /// A process was lost: "process {process} at `{address}` {why}". Called once, and not when the
    /// cluster is ending for another cause.
    fn lost(&self, process: usize, address: &str, why: &str);
}
