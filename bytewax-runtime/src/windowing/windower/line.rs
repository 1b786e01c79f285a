//! The open windows of one key, in order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::state::{Field, Schema, State};
use crate::windowing::time::Time;
use crate::windowing::time::date;
use crate::windowing::window::{WindowId, WindowMetadata};

/// A window that is open, and what is kept for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Open<S> {
    pub(crate) id: i64,
    pub(crate) open: Time,
    pub(crate) close: Time,
    /// The sessions that have become part of it.
    merged: Merged,
    /// Whether its value was emitted at its end.
    pub(crate) fired: bool,
    /// Whether it has changed since it last emitted a value.
    pub(crate) changed: bool,
    /// Windows that close together do so in the order in which they were opened.
    pub(crate) born: u32,
    pub(crate) state: S,
}

impl<S: State> State for Open<S> {
    const SCHEMA: Schema = Schema::new(
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

/// A list that is nearly always empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(
    clippy::box_collection,
    reason = "most windows have none, and there are many windows"
)]
struct Merged(Option<Box<Vec<i64>>>);

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

    /// Takes another session into this one, all but its state.
    pub(crate) fn absorb<T>(&mut self, other: &mut Open<T>) {
        self.open = self.open.min(other.open);
        self.close = self.close.max(other.close);
        self.fired |= other.fired;
        self.changed = true;
        let merged = self.merged.0.get_or_insert_default();
        merged.push(other.id);
        if let Some(mut before) = other.merged.0.take() {
            merged.append(&mut before);
        }
    }

    pub(crate) fn metadata(&self) -> WindowMetadata {
        let merged = self.merged.0.as_deref().map_or(&[][..], Vec::as_slice);
        let mut merged_ids: Vec<_> = merged.iter().copied().map(WindowId).collect();
        merged_ids.sort_unstable();
        WindowMetadata {
            open_time: date(self.open),
            close_time: date(self.close),
            merged_ids,
        }
    }
}

/// With more windows than this, a tree takes the place of the list.
const FEW: usize = 16;

/// The windows of a key, each at a place of its own: its id or the time at which it opens. Both are in
/// the order in which windows end.
///
/// One window, the usual case, is kept in place; some are a sorted list, and many a tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line<S> {
    windows: Places<Open<S>>,
    /// How many windows were opened, or values counted; the source of ids.
    pub(crate) counted: i64,
    born: u32,
}

impl<S: State> State for Line<S> {
    const SCHEMA: Schema = Schema::new(
        "Line",
        1,
        &[
            Field::variant("None"),
            Field::variant("One"),
            Field::of::<(i64, Open<S>)>("One.0"),
            Field::variant("Few"),
            Field::of::<Vec<(i64, Open<S>)>>("Few.0"),
            Field::variant("Many"),
            Field::opaque("Many.0", "map"),
            Field::of::<i64>("counted"),
            Field::of::<u32>("born"),
        ],
    );
}

impl<S> Default for Line<S> {
    fn default() -> Self {
        Self {
            windows: Places::None,
            counted: 0,
            born: 0,
        }
    }
}

impl<S> Line<S> {
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.windows, Places::None)
    }

    pub(crate) fn len(&self) -> usize {
        match &self.windows {
            Places::None => 0,
            Places::One(_) => 1,
            Places::Few(few) => few.len(),
            Places::Many(many) => many.len(),
        }
    }

    /// Reads a little of it.
    #[inline]
    pub(crate) fn glance(&self) -> i64 {
        let one = match &self.windows {
            Places::One(one) => one.0 ^ i64::from(one.1.born),
            _ => 0,
        };
        one ^ self.counted
    }

    /// The window at a place.
    #[inline]
    pub(crate) fn get_mut(&mut self, place: i64) -> Option<&mut Open<S>> {
        if !matches!(self.windows, Places::One(_)) {
            return self.get_of_several(place);
        }
        match &mut self.windows {
            Places::One(one) if one.0 == place => Some(&mut one.1),
            _ => None,
        }
    }

    fn get_of_several(&mut self, place: i64) -> Option<&mut Open<S>> {
        let (found, window) = self.at_or_before(place)?;
        (found == place).then_some(window)
    }

    /// The last window up to a place.
    pub(crate) fn at_or_before(&mut self, place: i64) -> Option<(i64, &mut Open<S>)> {
        match &mut self.windows {
            Places::None => None,
            Places::One(one) => (one.0 <= place).then_some((one.0, &mut one.1)),
            Places::Few(few) => {
                let after = few.partition_point(|at| at.0 <= place);
                let found = few.get_mut(after.checked_sub(1)?)?;
                Some((found.0, &mut found.1))
            }
            Places::Many(many) => {
                let (place, window) = many.range_mut(..=place).next_back()?;
                Some((*place, window))
            }
        }
    }

    /// The first window behind a place.
    pub(crate) fn after(&mut self, place: i64) -> Option<(i64, &mut Open<S>)> {
        match &mut self.windows {
            Places::None => None,
            Places::One(one) => (one.0 > place).then_some((one.0, &mut one.1)),
            Places::Few(few) => {
                let after = few.partition_point(|at| at.0 <= place);
                let found = few.get_mut(after)?;
                Some((found.0, &mut found.1))
            }
            Places::Many(many) => {
                let behind = (std::ops::Bound::Excluded(place), std::ops::Bound::Unbounded);
                let (place, window) = many.range_mut(behind).next()?;
                Some((*place, window))
            }
        }
    }

    /// Puts a window that has just been opened at a place where there is none.
    pub(crate) fn open(&mut self, place: i64, mut window: Open<S>) {
        window.born = self.born;
        self.born = self.born.wrapping_add(1);
        self.put(place, window);
    }

    /// Puts a window at a place where there is none.
    pub(crate) fn put(&mut self, place: i64, window: Open<S>) {
        match &mut self.windows {
            Places::Few(few) if few.len() < FEW => {
                let after = few.partition_point(|at| at.0 <= place);
                few.insert(after, (place, window));
            }
            Places::Many(many) => {
                many.insert(place, window);
            }
            windows => {
                *windows = match std::mem::take(windows) {
                    Places::None => Places::One((place, window)),
                    Places::One(one) if one.0 < place => Places::Few(vec![one, (place, window)]),
                    Places::One(one) => Places::Few(vec![(place, window), one]),
                    Places::Few(few) => {
                        let new = std::iter::once((place, window));
                        Places::Many(few.into_iter().chain(new).collect())
                    }
                    Places::Many(many) => Places::Many(many),
                };
            }
        }
    }

    /// Takes the window out of a place.
    pub(crate) fn take(&mut self, place: i64) -> Option<Open<S>> {
        let taken = match &mut self.windows {
            Places::None => None,
            Places::One(one) if one.0 != place => None,
            Places::One(_) => match std::mem::take(&mut self.windows) {
                Places::One(one) => Some(one.1),
                _ => None,
            },
            Places::Few(few) => {
                let at = few.binary_search_by_key(&place, |at| at.0).ok()?;
                Some(few.remove(at).1)
            }
            Places::Many(many) => many.remove(&place),
        };
        match &mut self.windows {
            Places::None | Places::One(_) => {}
            Places::Few(few) if few.len() > 1 => {}
            // The last one is in place again.
            Places::Few(few) => self.windows = few.pop().map_or(Places::None, Places::One),
            Places::Many(many) if many.is_empty() => self.windows = Places::None,
            Places::Many(_) => {}
        }
        taken
    }

    /// The first window.
    pub(crate) fn first(&self) -> Option<(i64, &Open<S>)> {
        match &self.windows {
            Places::None => None,
            Places::One(one) => Some((one.0, &one.1)),
            Places::Few(few) => few.first().map(|at| (at.0, &at.1)),
            Places::Many(many) => many
                .first_key_value()
                .map(|(place, window)| (*place, window)),
        }
    }

    /// All windows, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Open<S>> {
        let (few, many) = match &self.windows {
            Places::None => (&[][..], None),
            Places::One(one) => (std::slice::from_ref(one), None),
            Places::Few(few) => (few.as_slice(), None),
            Places::Many(many) => (&[][..], Some(many)),
        };
        let few = few.iter().map(|at| &at.1);
        few.chain(many.into_iter().flat_map(BTreeMap::values))
    }

    /// All windows, in order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Open<S>> {
        let (few, many) = match &mut self.windows {
            Places::None => (&mut [][..], None),
            Places::One(one) => (std::slice::from_mut(one), None),
            Places::Few(few) => (few.as_mut_slice(), None),
            Places::Many(many) => (&mut [][..], Some(many)),
        };
        let few = few.iter_mut().map(|at| &mut at.1);
        few.chain(many.into_iter().flat_map(BTreeMap::values_mut))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
enum Places<T> {
    #[default]
    None,
    One((i64, T)),
    Few(Vec<(i64, T)>),
    Many(BTreeMap<i64, T>),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        /// One, few or many: always as a tree of all.
        #[test]
        fn a_line_is_an_ordered_map(
            steps in prop::collection::vec((0_u8..3, -30_i64..30), 0..200),
        ) {
            let mut line = Line::default();
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
