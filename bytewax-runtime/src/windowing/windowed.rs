//! The streams of a window operator.

use super::engine::{DOWN, LATE, META, output};
use super::window::{WindowId, WindowMetadata};
use crate::flow::{Flow, KeyedStream, OutputSpec};
use crate::ids::StepIndex;

/// The three streams of a window step. Values are labelled with the ids of their windows.
///
/// Within each stream, the items of a key are in the order of their emission; the order between streams is
/// undefined. The items of an unused stream are dropped.
#[derive(Debug)]
#[must_use]
pub struct WindowOut<K, U, V> {
    /// The results of windows.
    pub down: KeyedStream<K, (WindowId, U)>,
    /// Late values, with the ids of the windows that they would have belonged to; a value once for each.
    pub late: KeyedStream<K, (WindowId, V)>,
    /// The metadata of each window, when it closes.
    pub meta: KeyedStream<K, (WindowId, WindowMetadata)>,
}

impl<K: 'static, U: 'static, V: 'static> WindowOut<K, U, V> {
    pub(super) fn outputs() -> Vec<OutputSpec> {
        ["down", "meta", "late"].map(OutputSpec::field).into()
    }

    pub(super) fn of((flow, step): (Flow, StepIndex)) -> Self {
        Self {
            down: output(&flow, step, DOWN),
            late: output(&flow, step, LATE),
            meta: output(&flow, step, META),
        }
    }

    /// Names the step; see [`Stream::named`](crate::flow::Stream::named).
    pub fn named(self, name: &str) -> Self {
        Self {
            down: self.down.named(name),
            ..self
        }
    }
}
