//! A sample of the items of an output, shown while somebody looks.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::brief::brief;
use crate::clock::{Monotonic, WorkerClock};
use crate::guard::guard;

/// The number of items that are kept.
const KEPT: usize = 40;

/// The least time between two of them.
const APART: TimeDelta = TimeDelta::milliseconds(100);

/// How the items of a stream are shown.
#[derive(Clone, Debug)]
pub(crate) struct ShowPlan(Arc<dyn Any + Send + Sync>);

type Show<T> = fn(&T) -> String;

impl ShowPlan {
    pub(crate) fn debug<T: Debug + 'static>() -> Self {
        let show: Show<T> = |item| brief(item);
        Self(Arc::new(show))
    }
}

/// The tail of an output on a worker.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    is_on: AtomicBool,
    plan: OnceLock<ShowPlan>,
    kept: Mutex<TailItems>,
}

#[derive(Debug, Default)]
struct TailItems {
    last: Option<Monotonic>,
    items: VecDeque<SeenItem>,
}

/// An item as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeenItem {
    pub(crate) at: DateTime<Utc>,
    pub(crate) text: String,
}

impl Tail {
    /// Sets how items are shown; without, they are not.
    pub(crate) fn shows(&self, plan: &ShowPlan) {
        // Each worker builds a step once.
        let _ = self.plan.set(plan.clone());
    }

    /// Whether somebody looks. The only cost while nobody does, once per batch.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    fn kept(&self) -> MutexGuard<'_, TailItems> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows one of the items of a batch, unless one was shown just before.
    #[cold]
    #[inline(never)]
    pub(crate) fn note<T: 'static>(&self, batch: &[T], clock: &WorkerClock) {
        let now = clock.monotonic();
        let mut kept = self.kept();
        let is_soon = kept.last.is_some_and(|last| now.since(last) < APART);
        let show = self
            .plan
            .get()
            .and_then(|plan| plan.0.downcast_ref::<Show<T>>());
        let (Some(item), Some(show), false) = (batch.last(), show, is_soon) else {
            return;
        };
        kept.last = Some(now);
        if kept.items.len() == KEPT {
            kept.items.pop_front();
        }
        // Whatever the type of a program does there, the run goes on.
        let text = guard(|| Ok(show(item)));
        kept.items.push_back(SeenItem {
            at: clock.now(),
            text: text.unwrap_or_else(|_| "its `Debug` panics".to_owned()),
        });
    }
}

#[cfg(feature = "web")]
impl Tail {
    /// Starts to show items, if the output has a way to.
    pub(crate) fn start(&self) {
        let has_way = self.plan.get().is_some();
        self.is_on.store(has_way, Ordering::Relaxed);
    }

    /// Stops, and forgets.
    pub(crate) fn stop(&self) {
        self.is_on.store(false, Ordering::Relaxed);
        *self.kept() = TailItems::default();
    }

    /// The items, the oldest first.
    pub(crate) fn read(&self) -> Vec<SeenItem> {
        self.kept().items.iter().cloned().collect()
    }
}

#[cfg(all(test, feature = "web"))]
mod tests {
    use std::fmt;

    use super::*;

    struct Bad;

    impl Debug for Bad {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("it has a fault")
        }
    }

    #[test]
    fn items_are_shown_now_and_then_and_only_while_somebody_looks() {
        let (clock, hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
        let tail = Tail::default();
        tail.start();
        assert!(!tail.is_on(), "there is no way to show items");
        tail.shows(&ShowPlan::debug::<i32>());
        tail.start();
        assert!(tail.is_on());
        for item in 0..100 {
            tail.note(&[-1, item], &clock);
            hand.advance(TimeDelta::milliseconds(50));
        }
        let texts: Vec<String> = tail.read().into_iter().map(|it| it.text).collect();
        let wanted: Vec<String> = (20..100).step_by(2).map(|it: i32| it.to_string()).collect();
        assert_eq!(texts, wanted);
        tail.stop();
        assert!(!tail.is_on() && tail.read().is_empty());
    }

    #[test]
    fn a_fault_of_a_type_stops_nothing() {
        let (clock, _hand) = WorkerClock::by_hand(DateTime::UNIX_EPOCH);
        let tail = Tail::default();
        tail.shows(&ShowPlan::debug::<Bad>());
        tail.start();
        tail.note(&[Bad], &clock);
        assert_eq!(tail.read()[0].text, "its `Debug` panics");
    }
}
