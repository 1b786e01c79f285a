//! Values in the order of their places: a sorted list of few, or a tree of many.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::{Deserialize, Serialize};

/// Beyond this number, a tree replaces the list.
const FEW: usize = 16;

/// Values with unique places, in the order of places.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Several<T> {
    Few(Vec<(i64, T)>),
    Many(BTreeMap<i64, T>),
}

impl<T> Default for Several<T> {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl<T> Several<T> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.len(),
            Self::Many(many) => many.len(),
        }
    }

    pub(super) fn get_mut(&mut self, place: i64) -> Option<&mut T> {
        let (found, thing) = self.at_or_before(place)?;
        (found == place).then_some(thing)
    }

    /// The last value up to a place.
    pub(super) fn at_or_before(&mut self, place: i64) -> Option<(i64, &mut T)> {
        match self {
            Self::Few(few) => {
                let after = few.partition_point(|at| at.0 <= place);
                let (found, thing) = few.get_mut(after.checked_sub(1)?)?;
                Some((*found, thing))
            }
            Self::Many(many) => {
                let (found, thing) = many.range_mut(..=place).next_back()?;
                Some((*found, thing))
            }
        }
    }

    /// The first value after a place.
    pub(super) fn after(&mut self, place: i64) -> Option<(i64, &mut T)> {
        match self {
            Self::Few(few) => {
                let after = few.partition_point(|at| at.0 <= place);
                let (found, thing) = few.get_mut(after)?;
                Some((*found, thing))
            }
            Self::Many(many) => {
                let behind = (Bound::Excluded(place), Bound::Unbounded);
                let (found, thing) = many.range_mut(behind).next()?;
                Some((*found, thing))
            }
        }
    }

    /// Inserts a value at an empty place.
    pub(super) fn put(&mut self, place: i64, thing: T) {
        match self {
            Self::Few(few) if few.len() < FEW => {
                let after = few.partition_point(|at| at.0 <= place);
                if few.is_empty() {
                    // There is usually one, while one window of a key closes and the next is open.
                    few.reserve_exact(1);
                }
                few.insert(after, (place, thing));
            }
            Self::Few(few) => {
                let mut many: BTreeMap<_, _> = few.drain(..).collect();
                many.insert(place, thing);
                *self = Self::Many(many);
            }
            Self::Many(many) => {
                many.insert(place, thing);
            }
        }
    }

    /// Removes and returns the value at a place.
    pub(super) fn take(&mut self, place: i64) -> Option<T> {
        match self {
            Self::Few(few) => {
                let at = few.binary_search_by_key(&place, |at| at.0).ok()?;
                Some(few.remove(at).1)
            }
            Self::Many(many) => many.remove(&place),
        }
    }

    pub(super) fn pop_last(&mut self) -> Option<(i64, T)> {
        match self {
            Self::Few(few) => few.pop(),
            Self::Many(many) => many.pop_last(),
        }
    }

    pub(super) fn first(&self) -> Option<(i64, &T)> {
        match self {
            Self::Few(few) => few.first().map(|(place, thing)| (*place, thing)),
            Self::Many(many) => many.first_key_value().map(|(place, thing)| (*place, thing)),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        let (few, many) = match self {
            Self::Few(few) => (few.as_slice(), None),
            Self::Many(many) => (&[][..], Some(many)),
        };
        let few = few.iter().map(|at| &at.1);
        few.chain(many.into_iter().flat_map(BTreeMap::values))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let (few, many) = match self {
            Self::Few(few) => (few.as_mut_slice(), None),
            Self::Many(many) => (&mut [][..], Some(many)),
        };
        let few = few.iter_mut().map(|at| &mut at.1);
        few.chain(many.into_iter().flat_map(BTreeMap::values_mut))
    }
}
