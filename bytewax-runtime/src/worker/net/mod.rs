//! Connections between the processes of a cluster.
//!
//! Each pair of processes has two connections: `data` carries timely's messages, and `control` carries
//! failures, stops, credits and heartbeats. A handshake on each checks that both ends run the same program
//! with the same settings.
//!
//! ## Order of calls
//!
//! A clean end: drop the workers, drop timely's guard, call [`Control::bye`].
//!
//! A failure: call [`Control::failed`] or [`Control::stop`] if this process is the origin, drop
//! the workers, call [`Control::close`], drop timely's guard. The guard waits for threads that only
//! [`Control::close`] releases.

mod accept;
#[cfg(feature = "encryption")]
mod cipher;
#[cfg(not(feature = "encryption"))]
#[path = "no_cipher.rs"]
mod cipher;
mod connect;
mod control;
mod data;
mod dial;
mod end_causes;
mod error;
mod frames;
#[cfg(feature = "recovery")]
pub(crate) mod fuzz;
mod handler;
mod hello;
mod identity;
mod message;
mod outbox;
mod peers;
mod pieces;
mod reader;
mod rendezvous;
mod shared;
mod sync;
#[cfg(test)]
mod tests;
mod text;
mod timing;
mod wire;
mod writer;

pub(crate) use cipher::ClusterKey;
pub(crate) use connect::connect;
pub(crate) use control::Control;
pub(crate) use error::NetError;
pub(crate) use handler::Handler;
pub(crate) use identity::Identity;
pub(crate) use message::StopReason;
pub(crate) use peers::Peers;
pub(crate) use rendezvous::{Child, SpawnOutcome, child, spawn_processes};
