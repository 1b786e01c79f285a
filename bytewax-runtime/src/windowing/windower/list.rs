//! The open windows of one key, in order.

use serde::{Deserialize, Serialize};

use super::several::Several;
use crate::state::{Field, Schema, State};
use crate::windowing::time::Time;
use crate::windowing::time::date;
use crate::windowing::window::{WindowId, WindowMetadata};

/// An open window and its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Open<S> {
    pub(crate) id: i64,
    pub(crate) open: Time,
    pub(crate) close: Time,
    /// The sessions merged into it, and notes about it.
    merged: Merged,
    /// Whether its value was emitted at its end.
    pub(crate) fired: bool,
    /// Whether it has changed since it last emitted a value.
    pub(crate) changed: bool,
    /// Windows that close together do so in the order of their opening.
    pub(crate) born: u32,
    pub(crate) state: S,
}

impl<S: State> State for Open<S> {
    const SCHEMA: Schema = Schema::of_library(
        "Open",
        1,
        &[
            Field::of::<i64>("id"),
            Field::of::<i64>("open"),
            Field::of::<i64>("close"),
            Field::of::<Option<Vec<i64>>>("merged"),
            Field::of::<bool>("fired"),
            Field::of::<bool>("changed"),
            Field::of::<u32>("born"),
            Field::of::<S>("state"),
        ],
    );
}

/// A list that is nearly always empty: notes, which are less than 0, and behind them ids of sessions.
///
/// The notes are here because few windows have any, and because windows that an earlier release saved have none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(
    clippy::box_collection,
    reason = "most windows have none, and there are many windows"
)]
struct Merged(Option<Box<Vec<i64>>>);

/// The note of a session that an item has closed. Lower ones count values.
const CLOSED: i64 = -1;
/// The note of a window that was opened without a value, after which no other may be; with more, it is greater by
/// their number.
const EMPTY: i64 = i64::MIN;

/// Whether a note is of a window that was opened without a value.
const fn is_of_empty(note: i64) -> bool {
    note <= EMPTY + u32::MAX as i64
}

/// Whether a note counts values.
const fn counts(note: i64) -> bool {
    note < CLOSED && !is_of_empty(note)
}

impl Merged {
    fn all(&self) -> &[i64] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }

    fn notes(&self) -> &[i64] {
        let notes = self.all().iter().take_while(|note| **note < 0).count();
        &self.all()[..notes]
    }

    fn ids(&self) -> &[i64] {
        &self.all()[self.notes().len()..]
    }

    /// Takes the ids of another session after its own.
    fn append(&mut self, other: i64, merged: &Self) {
        let ids = self.0.get_or_insert_default();
        ids.push(other);
        ids.extend_from_slice(merged.ids());
    }

    fn is_closed(&self) -> bool {
        self.0.is_some() && self.notes().contains(&CLOSED)
    }

    fn close(&mut self) {
        if !self.is_closed() {
            self.0.get_or_insert_default().insert(0, CLOSED);
        }
    }

    /// The values that were counted.
    fn count(&self) -> u64 {
        let count = self.notes().iter().find(|note| counts(**note));
        count.map_or(0, |count| count.abs_diff(CLOSED))
    }

    fn set_count(&mut self, count: u64) {
        let note = CLOSED.saturating_sub_unsigned(count);
        self.set(counts, (count > 0).then_some(note));
    }

    /// How many windows without values may follow this one, if it was opened without a value.
    fn more_empty(&self) -> Option<u32> {
        let note = *self.notes().iter().find(|note| is_of_empty(**note))?;
        u32::try_from(note.abs_diff(EMPTY)).ok()
    }

    fn set_more_empty(&mut self, more: Option<u32>) {
        self.set(is_of_empty, more.map(|more| EMPTY + i64::from(more)));
    }

    /// Replaces the note of a kind.
    fn set(&mut self, is_old: fn(i64) -> bool, note: Option<i64>) {
        let mut list = self.0.take().unwrap_or_default();
        let old = list.iter().position(|note| is_old(*note));
        match (old, note) {
            (Some(place), Some(note)) => list[place] = note,
            (Some(place), None) => {
                list.remove(place);
            }
            (None, Some(note)) => list.insert(0, note),
            (None, None) => {}
        }
        self.0 = (!list.is_empty()).then_some(list);
    }
}

impl<S> Open<S> {
    pub(crate) fn new(id: i64, open: Time, close: Time, state: S) -> Self {
        Self {
            id,
            open,
            close,
            merged: Merged(None),
            fired: false,
            changed: false,
            born: 0,
            state,
        }
    }

    /// Creates a window without values, after which `more` may be.
    pub(crate) fn without_values(id: i64, times: (Time, Time), state: S, more: u32) -> Self {
        let mut window = Self::new(id, times.0, times.1, state);
        window.merged.set_more_empty(Some(more));
        window
    }

    /// How many windows without values may follow this one, if it was opened without a value.
    pub(crate) fn more_empty(&self) -> Option<u32> {
        self.merged.0.as_ref()?;
        self.merged.more_empty()
    }

    /// Lets at least `more` windows without values follow a window that was opened without a value.
    pub(crate) fn raise_more_empty(&mut self, more: u32) {
        if self.more_empty().is_some_and(|before| before < more) {
            self.merged.set_more_empty(Some(more));
        }
    }

    /// A value was added.
    #[inline]
    pub(crate) fn has_value(&mut self) {
        if self.merged.0.is_some() {
            self.merged.set_more_empty(None);
        }
    }

    /// Merges another session into this one, except its state.
    pub(crate) fn absorb<T>(&mut self, other: &mut Open<T>) {
        self.open = self.open.min(other.open);
        self.close = self.close.max(other.close);
        self.fired |= other.fired;
        self.changed = true;
        let counted = self.merged.count() + other.merged.count();
        self.merged.append(other.id, &other.merged);
        if other.is_closed() {
            self.merged.close();
        }
        if counted > 0 {
            self.merged.set_count(counted);
        }
    }

    /// Counts a value. Returns how many there were since the window last emitted.
    pub(crate) fn count_value(&mut self) -> u64 {
        let count = self.merged.count() + 1;
        self.merged.set_count(count);
        count
    }

    /// The window has emitted.
    pub(crate) fn has_emitted(&mut self) {
        self.changed = false;
        if self.merged.0.is_some() {
            self.merged.set_count(0);
        }
    }

    /// Whether an item has closed the session.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.merged.is_closed()
    }

    /// Closes the session behind its last value.
    pub(crate) fn close_by_item(&mut self) {
        self.merged.close();
    }

    pub(crate) fn metadata(&self) -> WindowMetadata {
        let mut merged_ids: Vec<_> = self.merged.ids().iter().copied().map(WindowId).collect();
        merged_ids.sort_unstable();
        WindowMetadata {
            open_time: date(self.open),
            close_time: date(self.close),
            merged_ids,
        }
    }
}

/// The windows of a key, each with a unique place: its id or its opening time. Both are in the order in which
/// windows end.
///
/// The last one, which contains most values, is stored inline; usually it is the only one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WindowList<S> {
    last: Option<(i64, Open<S>)>,
    /// Those before the last.
    before: Option<Box<Several<Open<S>>>>,
    /// The number of windows opened, or of values counted; the source of ids.
    pub(crate) counted: i64,
    born: u32,
}

impl<S: State> State for WindowList<S> {
    const SCHEMA: Schema = Schema::of_library(
        "Line",
        1,
        &[
            Field::of::<Option<(i64, Open<S>)>>("last"),
            Field::variant("before.Few"),
            Field::of::<Vec<(i64, Open<S>)>>("before.Few.0"),
            Field::variant("before.Many"),
            Field::opaque("before.Many.0", "map"),
            Field::of::<i64>("counted"),
            Field::of::<u32>("born"),
        ],
    );
}

impl<S> Default for WindowList<S> {
    fn default() -> Self {
        Self {
            last: None,
            before: None,
            counted: 0,
            born: 0,
        }
    }
}

impl<S> WindowList<S> {
    pub(crate) fn is_empty(&self) -> bool {
        self.last.is_none()
    }

    pub(crate) fn len(&self) -> usize {
        let before = self.before.as_ref().map_or(0, |before| before.len());
        before + usize::from(self.last.is_some())
    }

    /// Reads a little of it, to prefetch it.
    #[inline]
    pub(crate) fn prefetch(&self) -> i64 {
        let last = self.last.as_ref();
        last.map_or(0, |last| last.0 ^ i64::from(last.1.born)) ^ self.counted
    }

    /// The last window, if it contains this time.
    #[inline]
    pub(crate) fn last_around(&mut self, time: Time) -> Option<&mut Open<S>> {
        let (_, last) = self.last.as_mut()?;
        (last.open <= time && time < last.close).then_some(last)
    }

    /// The window at a place.
    #[inline]
    pub(crate) fn get_mut(&mut self, place: i64) -> Option<&mut Open<S>> {
        match &mut self.last {
            Some((last, window)) if *last == place => Some(window),
            _ => self.before.as_mut()?.get_mut(place),
        }
    }

    /// The last window up to a place.
    pub(crate) fn at_or_before(&mut self, place: i64) -> Option<(i64, &mut Open<S>)> {
        match &mut self.last {
            Some((last, window)) if *last <= place => Some((*last, window)),
            _ => self.before.as_mut()?.at_or_before(place),
        }
    }

    /// The first window after a place.
    pub(crate) fn after(&mut self, place: i64) -> Option<(i64, &mut Open<S>)> {
        let before = self.before.as_mut();
        if let Some(found) = before.and_then(|before| before.after(place)) {
            return Some(found);
        }
        let (last, window) = self.last.as_mut()?;
        (*last > place).then_some((*last, window))
    }

    /// Inserts a new window at an empty place.
    pub(crate) fn open(&mut self, place: i64, mut window: Open<S>) {
        window.born = self.born;
        self.born = self.born.wrapping_add(1);
        self.put(place, window);
    }

    /// Inserts a window at an empty place.
    pub(crate) fn put(&mut self, place: i64, window: Open<S>) {
        let Some((last, _)) = &self.last else {
            self.last = Some((place, window));
            return;
        };
        let is_last = *last < place;
        let at = (place, window);
        let earlier = if is_last {
            self.last.replace(at)
        } else {
            Some(at)
        };
        if let Some((place, window)) = earlier {
            self.before.get_or_insert_default().put(place, window);
        }
    }

    /// Removes and returns the window at a place.
    pub(crate) fn take(&mut self, place: i64) -> Option<Open<S>> {
        let is_last = self.last.as_ref().is_some_and(|(last, _)| *last == place);
        let taken = if is_last {
            let before = self.before.as_mut().and_then(|before| before.pop_last());
            std::mem::replace(&mut self.last, before).map(|(_, window)| window)
        } else {
            self.before.as_mut()?.take(place)
        };
        if self.before.as_ref().is_some_and(|before| before.len() == 0) {
            self.before = None;
        }
        taken
    }

    /// The first window.
    pub(crate) fn first(&self) -> Option<(i64, &Open<S>)> {
        let before = self.before.as_ref().and_then(|before| before.first());
        before.or_else(|| self.last.as_ref().map(|(place, window)| (*place, window)))
    }

    /// All windows, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Open<S>> {
        let before = self.before.iter().flat_map(|before| before.iter());
        before.chain(self.last.iter().map(|(_, window)| window))
    }

    /// All windows, in order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Open<S>> {
        let before = self.before.iter_mut().flat_map(|before| before.iter_mut());
        before.chain(self.last.iter_mut().map(|(_, window)| window))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::{prop, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn notes_are_no_sessions() {
        let mut window = Open::new(3, 0, 0, ());
        assert_eq!([window.count_value(), window.count_value()], [1, 2]);
        window.close_by_item();
        let mut first = Open::new(1, 0, 0, ());
        assert_eq!(first.count_value(), 1);
        first.absorb(&mut window);
        assert!(first.is_closed());
        assert_eq!(first.metadata().merged_ids, [WindowId(3)]);
        assert_eq!(first.count_value(), 4);
        first.has_emitted();
        assert_eq!(first.count_value(), 1);
        first.close_by_item();
        assert!(first.is_closed());
        assert_eq!(first.metadata().merged_ids, [WindowId(3)]);
        let mut plain = Open::new(1, 0, 0, ());
        assert_eq!(plain.count_value(), 1);
        plain.has_emitted();
        assert_eq!(plain, Open::new(1, 0, 0, ()), "nothing is left of it");
    }

    #[test]
    fn a_window_without_values_notes_how_many_may_follow() {
        let mut window = Open::without_values(3, (0, 10), (), 5);
        assert_eq!(window.more_empty(), Some(5));
        window.raise_more_empty(4);
        assert_eq!(window.more_empty(), Some(5));
        window.raise_more_empty(u32::MAX);
        assert_eq!(window.more_empty(), Some(u32::MAX));
        assert_eq!([window.count_value(), window.count_value()], [1, 2]);
        assert!(!window.is_closed());
        assert_eq!(window.metadata().merged_ids, []);
        window.has_emitted();
        assert_eq!(window.more_empty(), Some(u32::MAX));
        window.has_value();
        window.raise_more_empty(9);
        assert_eq!(window, Open::new(3, 0, 10, ()), "nothing is left of it");
    }

    proptest! {
        /// One, few or many: always as a tree of all.
        #[test]
        fn a_line_is_an_ordered_map(
            steps in prop::collection::vec((0_u8..3, -30_i64..30), 0..200),
        ) {
            let mut line = WindowList::default();
            let mut model = BTreeMap::new();
            for (what, place) in steps {
                if what > 0 {
                    if model.insert(place, ()).is_none() {
                        line.open(place, Open::new(place, 0, 0, ()));
                    }
                } else {
                    let taken = line.take(place).map(|window| window.id);
                    prop_assert_eq!(taken, model.remove(&place).map(|()| place));
                }
                prop_assert_eq!(line.len(), model.len());
                prop_assert_eq!(line.is_empty(), model.is_empty());
                let ids: Vec<_> = line.iter().map(|window| window.id).collect();
                prop_assert_eq!(&ids, &model.keys().copied().collect::<Vec<_>>());
                let ids_mut: Vec<_> = line.iter_mut().map(|window| window.id).collect();
                prop_assert_eq!(&ids_mut, &ids);
                prop_assert_eq!(line.first().map(|first| first.0), ids.first().copied());
                for place in [place, place + 1, -31, 31] {
                    let before = model.range(..=place).next_back().map(|(at, ())| *at);
                    prop_assert_eq!(line.at_or_before(place).map(|found| found.0), before);
                    let after = model.range(place + 1..).next().map(|(at, ())| *at);
                    prop_assert_eq!(line.after(place).map(|found| found.0), after);
                    let there = model.contains_key(&place).then_some(place);
                    prop_assert_eq!(line.get_mut(place).map(|window| window.id), there);
                }
            }
        }
    }
}
