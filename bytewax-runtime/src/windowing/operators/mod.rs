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

use super::engine::{Inputs, LateOut, Part, Waiters, WindowStep};
use super::windowed::WindowOut;
use crate::flow::KeyedStream;
use crate::ids::StepIndex;
use crate::key::Key;
use crate::kit::keyed::{KeyedOut, Route};
use crate::kit::{AnyPush, Exchange, StreamTime};
use crate::windowing::clock::Clock;
use crate::windowing::firing::{Emitted, Windowing};
use crate::windowing::logic::Fold;
use crate::windowing::windower::Windows;

/// The parts of a step on one stream.
type Step<C, W, Q, K, V> = WindowStep<C, W, Q, LateOut<K, V>>;

/// A window step reads one stream.
fn inputs<K: Key, V: Exchange, U: 'static>(
    stream: &KeyedStream<K, V>,
) -> Inputs<
    impl Fn(StepIndex, usize, KeyedOut<K, V>) -> AnyPush + Send + Sync + 'static + use<K, V, U>,
> {
    Inputs {
        flow: stream.flow(),
        ports: vec![stream.port()],
        enter: |step, _, out| AnyPush::before(step, Route::new(step, out)),
        outputs: WindowOut::<K, U, V>::outputs(),
    }
}

/// Adds a step that combines the values of a window. With one key, one watermark, and windows that times determine, it
/// combines them before the exchange too, if they do not wait for their order. `Q` is the order of values, and `P` of values
/// and of what they combine to.
#[track_caller]
fn combining<K, V, C, W, F, Q, P>(
    stream: &KeyedStream<K, V>,
    step: Step<C, W, Q, K, V>,
    fold: impl Fn() -> F + Send + Sync + 'static,
) -> WindowOut<K, Emitted<W, F::Out>, V>
where
    K: Key,
    V: Exchange + Clone,
    C: Clock<V>,
    W: Windowing,
    F: Fold<V, State: Exchange + Clone>,
    Q: Waiters<V>,
    P: Waiters<Part<V, F::State>>,
{
    let inputs = inputs::<_, _, Emitted<W, F::Out>>(stream);
    // The compiler generates one of them.
    let step = if const {
        let is_declared = matches!(C::STREAM_TIME, StreamTime::Reads);
        size_of::<K>() == 0 && is_declared && W::Windower::IDS_BY_TIME
    } {
        step.ahead::<K, V, _, _, _, P>(inputs, fold)
    } else {
        step.sliced(inputs, fold)
    };
    WindowOut::of(step)
}
