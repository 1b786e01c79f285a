//! The window operators: methods of [`Stream`](crate::flow::Stream), one file each.

mod collect_window;
mod count_window;
mod fold_window;
mod join_sides;
mod join_window;
mod max_min_window;
mod reduce_window;
mod top_n_window;
mod window;

pub use join_window::{JoinAllWindows, JoinWindowOut, WindowedStreams};

use super::engine::{Inputs, LateOut, WindowStep};
use super::windowed::WindowOut;
use crate::flow::KeyedStream;
use crate::ids::StepIndex;
use crate::key::Key;
use crate::kit::keyed::{KeyedOut, Route};
use crate::kit::{AnyPush, Exchange};

/// The parts of a step on one stream.
type Step<C, W, Q, K, V> = WindowStep<C, W, Q, LateOut<K, V>>;

/// A window step reads one stream.
fn inputs<K: Key, V: Exchange, U: 'static>(
    stream: &KeyedStream<K, V>,
) -> Inputs<
    impl Fn(StepIndex, usize, KeyedOut<K, V>) -> AnyPush + Send + Sync + 'static + use<K, V, U>,
> {
    inputs_by::<K, V, U, _>(stream, |step, _, out| {
        AnyPush::before(step, Route::new(step, out))
    })
}

/// The same with another stage before the exchange.
fn inputs_by<K: Key, V: Exchange, U: 'static, E>(
    stream: &KeyedStream<K, V>,
    enter: E,
) -> Inputs<E> {
    Inputs {
        flow: stream.flow(),
        ports: vec![stream.port()],
        enter,
        outputs: WindowOut::<K, U, V>::outputs(),
    }
}
