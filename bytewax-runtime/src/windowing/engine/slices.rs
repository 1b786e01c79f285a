//! Sliding windows kept in slices: a value is folded once, however many windows contain it.
//!
//! Time is cut so that each slice lies wholly inside or outside of a window ([`Slicing`]). A value is folded
//! into its slice, and a window's value is combined from its slices on demand, as in the "panes" of Li et al.
//! ("No pane, no gain", 2005) and the stream slicing of Traub et al. ("Scotty", 2018). The cost of a value
//! depends on neither length nor offset.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::per_window::label_late;
use super::{Event, Events, WindowEngine};
use crate::state::{Field, Schema, State};
use crate::windowing::logic::Fold;
use crate::windowing::time::{END, Time, date};
use crate::windowing::window::{Firing, Label, WindowId, WindowMetadata};
use crate::windowing::windower::{Slicing, Windows};

/// Sliding windows of a fold that can be combined from parts.
pub(crate) struct Slices<F> {
    pub(crate) slicing: Slicing,
    pub(crate) fold: F,
    /// How long a window that is over still accepts values.
    pub(crate) lateness: i64,
    /// Whether windows emit early after each value.
    pub(crate) fires_always: bool,
    /// Whether anything reads the metadata.
    pub(crate) emits_metadata: bool,
}

/// The slices of a key with values, in order.
#[derive(Serialize, Deserialize)]
pub(crate) struct Sliced<S> {
    slices: VecDeque<Slice<S>>,
    /// All windows before this one have emitted their values.
    fired: i64,
    /// All windows before this one are gone.
    gone: i64,
}

#[derive(Serialize, Deserialize)]
struct Slice<S> {
    begin: Time,
    /// The last window that contains it.
    last: i64,
    /// Whether it has changed since the last early results.
    changed: bool,
    state: S,
}

impl<S: State> State for Sliced<S> {
    const SCHEMA: Schema = Schema::of_library(
        "Sliced",
        1,
        &[
            Field::of::<Vec<(i64, i64, bool, S)>>("slices"),
            Field::of::<i64>("fired"),
            Field::of::<i64>("gone"),
        ],
    );
}

impl<S> Default for Sliced<S> {
    fn default() -> Self {
        Self {
            slices: VecDeque::new(),
            fired: i64::MIN,
            gone: i64::MIN,
        }
    }
}

impl<S> Sliced<S> {
    /// Closes windows like the end of input in an earlier release.
    #[cfg(test)]
    pub(super) fn close_all_before(&mut self, id: i64) {
        self.fired = id;
    }

    /// The slice that begins at `begin`; values mostly belong to the last one.
    #[inline]
    fn slice(&mut self, (begin, last): (Time, i64), open: impl FnOnce() -> S) -> &mut Slice<S> {
        let at = match self.slices.back() {
            Some(back) if back.begin == begin => self.slices.len() - 1,
            Some(back) if back.begin > begin => {
                let at = self.slices.partition_point(|slice| slice.begin < begin);
                if self.slices[at].begin != begin {
                    self.slices.insert(at, Slice::new(begin, last, open()));
                }
                at
            }
            _ => {
                self.slices.push_back(Slice::new(begin, last, open()));
                self.slices.len() - 1
            }
        };
        &mut self.slices[at]
    }
}

impl<S> Slice<S> {
    fn new(begin: Time, last: i64, state: S) -> Self {
        Self {
            begin,
            last,
            changed: false,
            state,
        }
    }
}

impl<F> Slices<F> {
    fn closes(&self, id: i64) -> Time {
        self.slicing.windows.closes(id)
    }

    /// The first window from `from` on that has values, and its end.
    #[inline]
    fn first_from<S>(&self, kept: &Sliced<S>, from: i64) -> Option<(i64, Time)> {
        let is_behind = |slice: &Slice<S>| slice.last < from;
        // Few slices precede the first requested window: those of windows that may still change.
        let slice = kept.slices.iter().find(|slice| !is_behind(slice))?;
        let id = from.max(self.slicing.first(slice.begin, slice.last));
        Some((id, self.closes(id)))
    }

    /// Reopens the windows that are not over at `mark`, whatever they have emitted.
    fn open_again<S>(&self, kept: &mut Sliced<S>, mark: Time) {
        kept.fired = kept.fired.min(self.slicing.first_open(mark));
        let gone = mark.saturating_sub(self.lateness);
        kept.gone = kept.gone.min(self.slicing.first_open(gone));
    }

    fn metadata(&self, id: i64) -> WindowMetadata {
        WindowMetadata {
            open_time: date(self.slicing.windows.opens(id)),
            close_time: date(self.closes(id)),
            merged_ids: Vec::new(),
        }
    }

    /// Combines the value of a window from its slices.
    fn value<S: Clone, V>(&self, kept: &Sliced<S>, id: i64) -> Option<S>
    where
        F: Fold<V, State = S>,
    {
        let (opens, closes) = (self.slicing.windows.opens(id), self.closes(id));
        let from = kept.slices.partition_point(|slice| slice.begin < opens);
        let mut slices = kept.slices.range(from..);
        let mut value = slices
            .next()
            .filter(|slice| slice.begin < closes)?
            .state
            .clone();
        for slice in slices.take_while(|slice| slice.begin < closes) {
            self.merge(&mut value, slice.state.clone());
        }
        Some(value)
    }

    /// Combines the value of the first window, whose own slices are then obsolete.
    fn take_value<S: Clone, V>(&self, kept: &mut Sliced<S>, (id, closes): (i64, Time)) -> Option<S>
    where
        F: Fold<V, State = S>,
    {
        let mut value: Option<S> = None;
        while let Some(first) = kept.slices.front()
            && first.last <= id
            && let Some(first) = kept.slices.pop_front()
        {
            match &mut value {
                Some(value) => self.merge(value, first.state),
                None => value = Some(first.state),
            }
        }
        for slice in kept.slices.iter().take_while(|slice| slice.begin < closes) {
            match &mut value {
                Some(value) => self.merge(value, slice.state.clone()),
                None => value = Some(slice.state.clone()),
            }
        }
        value
    }

    fn merge<V, S>(&self, value: &mut S, other: S)
    where
        F: Fold<V, State = S>,
    {
        self.fold.merge(value, other, &mut |_| {});
    }

    fn fire<V, S: Clone>(
        &self,
        kept: &Sliced<S>,
        id: i64,
        firing: Firing,
        out: &mut crate::kit::logic::Emit<Event<F::Out, V>>,
    ) where
        F: Fold<V, State = S>,
    {
        if let Some(value) = self.value(kept, id) {
            self.emit(value, id, firing, out);
        }
    }

    fn emit<V, S>(
        &self,
        value: S,
        id: i64,
        firing: Firing,
        out: &mut crate::kit::logic::Emit<Event<F::Out, V>>,
    ) where
        F: Fold<V, State = S>,
    {
        let label = Label {
            id: WindowId(id),
            firing,
            span: (self.slicing.windows.opens(id), self.closes(id)),
        };
        let mut emit = |value| out.emit(Event::Down(label, value));
        self.fold.close(value, &mut emit);
    }
}

impl<V, F> WindowEngine<V> for Slices<F>
where
    V: Clone + 'static,
    F: Fold<V, State: Clone>,
{
    type KeyState = Sliced<F::State>;
    type Out = F::Out;

    const FORGETS: bool = true;

    fn begin(&self, now: DateTime<Utc>) {
        self.fold.begin(now);
    }

    #[inline]
    fn add(
        &self,
        kept: &mut Self::KeyState,
        time: Time,
        value: V,
        mark: Time,
        out: &mut Events<Self, V>,
    ) -> Time {
        let (begin, last) = match kept.slices.back() {
            Some(back) if self.slicing.is_near(back.begin, time) => (back.begin, back.last),
            _ => self.slicing.slice(time),
        };
        let slice = kept.slice((begin, last), || self.fold.open());
        slice.changed = !self.fires_always;
        self.fold.add(&mut slice.state, value, &mut |_| {});
        let first = self.slicing.first(begin, last);
        if self.fires_always {
            for id in first.max(kept.fired)..=last {
                if self.closes(id) > mark {
                    self.fire(kept, id, Firing::Early, out);
                }
            }
        }
        if time < mark {
            for id in first.max(kept.gone)..=last {
                if self.closes(id) > mark {
                    break;
                }
                self.fire(kept, id, Firing::Correction, out);
                // It may have been empty before.
                kept.fired = kept.fired.max(id + 1);
            }
        }
        let due = first.max(kept.fired);
        if self.lateness > 0 {
            // A fired window must be dropped, and one that was never fired may be over.
            let next = self
                .closes(first.max(kept.gone))
                .saturating_add(self.lateness);
            return next.min(self.closes(due));
        }
        if due > last { END } else { self.closes(due) }
    }

    fn close(&self, kept: &mut Self::KeyState, mark: Time, out: &mut Events<Self, V>) -> Time {
        let next = loop {
            let Some((id, closes)) = self.first_from(kept, kept.fired) else {
                break END;
            };
            if closes > mark {
                break closes;
            }
            if self.lateness == 0 {
                if let Some(value) = self.take_value(kept, (id, closes)) {
                    self.emit(value, id, Firing::OnTime, out);
                }
                if self.emits_metadata {
                    out.emit(Event::Meta(WindowId(id), self.metadata(id)));
                }
            } else {
                self.fire(kept, id, Firing::OnTime, out);
            }
            kept.fired = id + 1;
        };
        if self.lateness == 0 {
            return next;
        }
        let gone = mark.saturating_sub(if mark == END { 0 } else { self.lateness });
        while let Some((id, _)) = self
            .first_from(kept, kept.gone)
            .filter(|(_, closes)| *closes <= gone)
        {
            if self.emits_metadata {
                out.emit(Event::Meta(WindowId(id), self.metadata(id)));
            }
            kept.gone = id + 1;
            while let Some(first) = kept.slices.front()
                && first.last <= id
            {
                kept.slices.pop_front();
            }
        }
        WindowEngine::<V>::next(self, kept)
    }

    fn end(&self, kept: &mut Self::KeyState, mark: Time, out: &mut Events<Self, V>) {
        self.close(kept, END, out);
        self.open_again(kept, mark);
    }

    /// An earlier release left the windows closed that the end of input had closed: later values went to
    /// slices that no future window contains.
    fn restored(&self, kept: &mut Self::KeyState, mark: Time) {
        let done = if self.lateness == 0 {
            kept.fired
        } else {
            kept.gone
        };
        let missed = kept.slices.front().filter(|slice| slice.last < done);
        if let Some(slice) = missed {
            let first = self.slicing.first(slice.begin, slice.last);
            kept.fired = kept.fired.min(first);
            kept.gone = kept.gone.min(first);
        }
        self.open_again(kept, mark);
    }

    fn next(&self, kept: &Self::KeyState) -> Time {
        let fires = self.first_from(kept, kept.fired);
        let fires = fires.map_or(END, |(_, closes)| closes);
        if self.lateness == 0 {
            return fires;
        }
        let goes = self.first_from(kept, kept.gone);
        let goes = goes.map_or(END, |(_, closes)| closes.saturating_add(self.lateness));
        fires.min(goes)
    }

    #[inline]
    fn prefetch(&self, kept: &Self::KeyState) -> i64 {
        kept.slices.back().map_or(0, |last| last.begin)
    }

    fn is_empty(&self, kept: &Self::KeyState) -> bool {
        kept.slices.is_empty()
    }

    fn fire_early(&self, kept: &mut Self::KeyState, mark: Time, out: &mut Events<Self, V>) {
        let mut from = i64::MIN;
        let changed = kept.slices.iter().filter(|slice| slice.changed);
        let ids = changed.map(|slice| (self.slicing.first(slice.begin, slice.last), slice.last));
        for (first, last) in ids {
            for id in first.max(from)..=last {
                if self.closes(id) > mark {
                    self.fire(kept, id, Firing::Early, out);
                }
            }
            from = last + 1;
        }
        for slice in &mut kept.slices {
            slice.changed = false;
        }
    }

    fn open(&self, kept: &Self::KeyState) -> (usize, Option<Time>) {
        let next = |from: i64| self.first_from(kept, from).map(|(id, _)| id);
        let first = next(kept.fired);
        let open = std::iter::successors(first, |id| next(id + 1));
        (open.count(), first.map(|id| self.slicing.windows.opens(id)))
    }

    fn late(&self, time: Time, value: V, out: &mut Events<Self, V>) {
        label_late(self.slicing.windows.late(time), value, out);
    }
}
