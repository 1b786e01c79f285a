//! Runtime of the crate `bytewax`.

pub(crate) mod worker {
    pub(crate) mod net;
}
