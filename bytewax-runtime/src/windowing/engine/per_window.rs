//! Windows that are kept separately: each handles all of its values.

use chrono::{DateTime, Utc};

use super::{Event, Events, WindowEngine};
use crate::kit::logic::Emit;
use crate::windowing::logic::Fold;
use crate::windowing::time::{END, Time};
use crate::windowing::window::{Firing, Label, WindowId};
use crate::windowing::windower::{Open, Visit, WindowList, Windower};

/// The windows of a windower, each with a state of a fold.
pub(crate) struct PerWindow<W, F> {
    pub(crate) windower: W,
    pub(crate) fold: F,
    /// How long a window that is over still accepts values.
    pub(crate) lateness: i64,
    /// After how many values a window emits early.
    pub(crate) fires_every: Option<u64>,
    /// How many windows without values may follow one with values.
    pub(crate) empty: u32,
    /// Whether anything reads the metadata.
    pub(crate) emits_metadata: bool,
}

/// Labels the output of a window.
fn emitter<U, V>(label: Label, out: &mut Emit<Event<U, V>>) -> impl FnMut(U) {
    move |value| out.emit(Event::Down(label, value))
}

fn label<W: Windower, S>(windower: &W, window: &Open<S>, firing: Firing) -> Label {
    Label {
        id: WindowId(window.id),
        firing,
        span: windower.span(window),
    }
}

/// The output of a window that is over is a correction, if it was emitted before.
fn on_time_or_after(was_emitted: bool) -> Firing {
    if was_emitted {
        Firing::Correction
    } else {
        Firing::OnTime
    }
}

/// A value on its way into its windows.
struct Adding<'a, V, W, F: Fold<V>> {
    engine: &'a PerWindow<W, F>,
    /// Whether the value closes its window.
    closes: bool,
    value: Option<V>,
    mark: Time,
    /// Whether the window was over before the value.
    was_over: bool,
    next: Time,
    out: &'a mut Emit<Event<F::Out, V>>,
}

/// The window's own output counts as early, unless the window is over.
fn before_or_after(was_over: bool) -> Firing {
    if was_over {
        Firing::Correction
    } else {
        Firing::Early
    }
}

impl<V: Clone + 'static, W: Windower, F: Fold<V>> Visit<F::State> for Adding<'_, V, W, F> {
    #[inline]
    fn closes(&self) -> bool {
        self.closes
    }

    #[inline]
    fn open(&mut self) -> F::State {
        self.engine.fold.open()
    }

    #[inline]
    fn add(&mut self, window: &mut Open<F::State>, ends: Time, more: bool) {
        let value = if more {
            self.value.clone()
        } else {
            self.value.take()
        };
        self.was_over = window.fired || ends <= self.mark;
        if let Some(value) = value {
            let engine = self.engine;
            engine.add_to(window, value, self.was_over, self.out);
        }
    }

    fn merge(&mut self, into: &mut Open<F::State>, other: Open<F::State>) {
        let firing = before_or_after(into.fired);
        let mut emit = emitter(label(&self.engine.windower, into, firing), self.out);
        self.engine
            .fold
            .merge(&mut into.state, other.state, &mut emit);
    }

    #[inline]
    fn settled(&mut self, window: &mut Open<F::State>, ends: Time) {
        let next = self
            .engine
            .settle(window, ends, (self.mark, self.was_over), self.out);
        self.next = self.next.min(next);
    }
}

impl<W: Windower, F> PerWindow<W, F> {
    /// Removes windows from the front while `over` returns true, and returns them in the order of their
    /// opening; with empty windows, in the order of time.
    fn take_over<S>(
        &self,
        line: &mut WindowList<S>,
        over: impl Fn(i64, &Open<S>) -> bool,
        open: impl Fn() -> S,
        mut each: impl FnMut(Open<S>),
    ) {
        if self.empty > 0 {
            // One at a time, because each may open the next.
            while let Some((place, window)) = line.first()
                && over(line.counted, window)
                && let Some(window) = line.take(place)
            {
                self.open_next(line, (window.id, window.more_empty()), &open);
                each(window);
            }
            return;
        }
        let mut pop = || {
            let counted = line.counted;
            let (place, _) = line.first().filter(|(_, window)| over(counted, window))?;
            line.take(place)
        };
        let Some(first) = pop() else { return };
        let Some(second) = pop() else {
            each(first);
            return;
        };
        let mut several = vec![first, second];
        several.extend(std::iter::from_fn(pop));
        several.sort_by_key(|window| window.born);
        several.into_iter().for_each(each);
    }

    /// Opens the window after one that is over, given by its id and the number of windows without values that may follow it,
    /// if it was opened without a value.
    fn open_next<S>(
        &self,
        line: &mut WindowList<S>,
        (id, more): (i64, Option<u32>),
        open: impl FnOnce() -> S,
    ) {
        let more = more.map_or(self.empty, |more| more.min(self.empty));
        let (Some(more), Some(next)) = (more.checked_sub(1), id.checked_add(1)) else {
            return;
        };
        if let Some(window) = line.get_mut(next) {
            window.raise_more_empty(more);
        } else if let Some(times) = self.windower.times(next) {
            line.open(next, Open::without_values(next, times, open(), more));
        }
    }

    /// Opens all windows without values that are over.
    fn open_empty<S>(&self, line: &mut WindowList<S>, mark: Time, open: impl Fn() -> S) {
        let (mut before, counted) = (i64::MIN, line.counted);
        while self.empty > 0
            && let Some((place, window)) = line.after(before)
            && self.ends(counted, window) <= mark
        {
            let over = (window.id, window.more_empty());
            self.open_next(line, over, &open);
            before = place;
        }
    }

    /// Adds a value to a window.
    #[inline]
    fn add_to<V>(
        &self,
        window: &mut Open<F::State>,
        value: V,
        was_over: bool,
        out: &mut Emit<Event<F::Out, V>>,
    ) where
        F: Fold<V>,
    {
        let firing = before_or_after(was_over);
        let mut emit = emitter(label(&self.windower, window, firing), out);
        self.fold.add(&mut window.state, value, &mut emit);
        window.changed = true;
        if self.empty > 0 {
            window.has_value();
        }
    }

    /// Emits the value of a window that stays.
    fn fire<V>(&self, window: &mut Open<F::State>, firing: Firing, out: &mut Emit<Event<F::Out, V>>)
    where
        F: Fold<V>,
    {
        let label = label(&self.windower, window, firing);
        self.fold.fire(&mut window.state, &mut emitter(label, out));
        window.has_emitted();
    }

    /// Emits a window that has received a value, if that is due. Returns the next watermark at which work is due for it.
    #[inline]
    fn settle<V>(
        &self,
        window: &mut Open<F::State>,
        ends: Time,
        (mark, was_over): (Time, bool),
        out: &mut Emit<Event<F::Out, V>>,
    ) -> Time
    where
        F: Fold<V>,
    {
        if self.lateness > 0 && ends <= mark {
            return self.correct(window, ends, was_over, out);
        }
        if let Some(every) = self.fires_every
            && ends > mark
        {
            self.count(window, every, out);
        }
        ends
    }

    /// Emits a window that is open, if it has enough values.
    #[inline(never)]
    fn count<V>(&self, window: &mut Open<F::State>, every: u64, out: &mut Emit<Event<F::Out, V>>)
    where
        F: Fold<V>,
    {
        if every == 1 || window.count_value() >= every {
            self.fire(window, before_or_after(window.fired), out);
        }
    }

    /// Emits a window that is over and accepts late values. Returns the next watermark at which work is due for it.
    #[inline(never)]
    fn correct<V>(
        &self,
        window: &mut Open<F::State>,
        ends: Time,
        was_over: bool,
        out: &mut Emit<Event<F::Out, V>>,
    ) -> Time
    where
        F: Fold<V>,
    {
        self.fire(window, on_time_or_after(window.fired || was_over), out);
        window.fired = true;
        if self.empty > 0 {
            // Windows without values may follow it, and be over too.
            ends
        } else {
            ends.saturating_add(self.lateness)
        }
    }

    /// Adds a value to its windows, and opens those that are missing.
    #[inline(never)]
    fn place<V>(
        &self,
        line: &mut WindowList<F::State>,
        (time, value): (Time, V),
        mark: Time,
        out: &mut Emit<Event<F::Out, V>>,
    ) -> Time
    where
        V: Clone + 'static,
        F: Fold<V>,
    {
        let mut adding = Adding {
            engine: self,
            closes: self.windower.closes(&value),
            value: Some(value),
            mark,
            was_over: false,
            next: END,
            out,
        };
        self.windower.place(line, time, &mut adding);
        adding.next
    }

    fn ends<S>(&self, counted: i64, window: &Open<S>) -> Time {
        self.windower.ends(counted, window)
    }

    fn emit_metadata<U, V, S>(&self, window: &Open<S>, out: &mut Emit<Event<U, V>>) {
        if self.emits_metadata {
            out.emit(Event::Meta(WindowId(window.id), window.metadata()));
        }
    }
}

impl<V, W, F> WindowEngine<V> for PerWindow<W, F>
where
    V: Clone + 'static,
    W: Windower,
    F: Fold<V>,
{
    type KeyState = WindowList<F::State>;
    type Out = F::Out;

    const FORGETS: bool = W::IDS_BY_TIME;

    fn begin(&self, now: DateTime<Utc>) {
        self.fold.begin(now);
    }

    #[inline]
    fn add(
        &self,
        line: &mut Self::KeyState,
        time: Time,
        value: V,
        mark: Time,
        out: &mut Events<Self, V>,
    ) -> Time {
        if self.windower.are_apart()
            && let Some(window) = line.last_around(time)
        {
            // The case of most values: nothing is searched or computed.
            let ends = window.close;
            let was_over = window.fired || ends <= mark;
            self.add_to(window, value, was_over, out);
            return self.settle(window, ends, (mark, was_over), out);
        }
        self.place(line, (time, value), mark, out)
    }

    fn close(&self, line: &mut Self::KeyState, mark: Time, out: &mut Events<Self, V>) -> Time {
        let open = || self.fold.open();
        if self.lateness == 0 {
            let over = |counted, window: &_| self.ends(counted, window) <= mark;
            self.take_over(line, over, open, |window| {
                // The state is consumed, so the other events of the window are created first, but sent
                // afterwards.
                let reported = self.emits_metadata.then(|| window.metadata());
                let label = label(&self.windower, &window, Firing::OnTime);
                // An earlier run that allowed late values may have emitted it.
                if !window.fired || window.changed {
                    let mut emit = emitter(label, out);
                    self.fold.close(window.state, &mut emit);
                }
                if let Some(reported) = reported {
                    out.emit(Event::Meta(label.id, reported));
                }
            });
            return WindowEngine::<V>::next(self, line);
        }
        self.open_empty(line, mark, open);
        let counted = line.counted;
        let is_due = |window: &&mut Open<_>| {
            self.ends(counted, window) <= mark && (!window.fired || window.changed)
        };
        let mut due: Vec<_> = line.iter_mut().filter(is_due).collect();
        if self.empty == 0 {
            due.sort_by_key(|window| window.born);
        }
        for window in due {
            self.fire(window, on_time_or_after(window.fired), out);
            window.fired = true;
        }
        let gone =
            |counted, window: &_| self.ends(counted, window).saturating_add(self.lateness) <= mark;
        self.take_over(line, gone, open, |window| self.emit_metadata(&window, out));
        WindowEngine::<V>::next(self, line)
    }

    fn end(&self, line: &mut Self::KeyState, _: Time, out: &mut Events<Self, V>) {
        self.close(line, END, out);
    }

    fn next(&self, line: &Self::KeyState) -> Time {
        let next = |window: &Open<_>| {
            let ends = self.ends(line.counted, window);
            if window.fired && !window.changed {
                ends.saturating_add(self.lateness)
            } else {
                ends
            }
        };
        if self.lateness == 0 {
            return line.first().map_or(END, |(_, window)| next(window));
        }
        line.iter().map(next).min().unwrap_or(END)
    }

    #[inline]
    fn prefetch(&self, line: &Self::KeyState) -> i64 {
        line.prefetch()
    }

    fn is_empty(&self, line: &Self::KeyState) -> bool {
        line.is_empty()
    }

    fn fire_early(&self, line: &mut Self::KeyState, mark: Time, out: &mut Events<Self, V>) {
        let counted = line.counted;
        for window in line.iter_mut() {
            if window.changed && self.ends(counted, window) > mark {
                self.fire(window, before_or_after(window.fired), out);
            }
        }
    }

    fn open(&self, line: &Self::KeyState) -> (usize, Option<Time>) {
        (line.len(), line.iter().map(|window| window.open).min())
    }

    fn late(&self, time: Time, value: V, out: &mut Events<Self, V>) {
        label_late(self.windower.late(time), value, out);
    }
}

/// Emits a late value with each of its labels.
pub(super) fn label_late<U, V: Clone>(
    ids: std::ops::RangeInclusive<i64>,
    value: V,
    out: &mut Emit<Event<U, V>>,
) {
    let (first, last) = ids.into_inner();
    for id in first..last {
        out.emit(Event::Late(WindowId(id), false, value.clone()));
    }
    out.emit(Event::Late(WindowId(last), true, value));
}
