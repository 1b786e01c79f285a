//! The form in which all keys have one time: where values are sent, it is seen how far the partitions of
//! the source are, and where they are kept, the watermark is that of the sender that is furthest behind.

mod agenda;
mod keep;
mod send;

pub(crate) use keep::PartitionedHead;
pub(crate) use send::TimedRoute;
