//! The state of a join for a key until each side has a value.

use serde::{Deserialize, Serialize};

use super::JoinInsert;
use super::sides::{Of2, Sides, Values};
use crate::state::{Field, Schema, State};

/// The values of a key that lacks a side.
pub(crate) trait Waiting: State + Default {
    type Sides: Sides;

    /// Creates the state for the first value of a key.
    fn first(item: <Self::Sides as Sides>::Item) -> Self;

    /// Reads the present sides, to prefetch them.
    fn prefetch(&self) -> bool;

    /// Adds a value. If no side is missing any more, returns the values of all and leaves nothing.
    fn take_in(
        &mut self,
        item: <Self::Sides as Sides>::Item,
        insert: JoinInsert,
    ) -> Option<Self::Sides>;

    /// Returns the values of all sides.
    fn into_sides(self) -> Self::Sides;
}

impl<S: Sides> Waiting for S {
    type Sides = S;

    #[inline]
    fn first(item: S::Item) -> Self {
        let mut sides = S::default();
        sides.insert(item, JoinInsert::Last);
        sides
    }

    #[inline]
    fn prefetch(&self) -> bool {
        self.is_complete()
    }

    #[inline]
    fn take_in(&mut self, item: S::Item, insert: JoinInsert) -> Option<S> {
        self.insert(item, insert);
        self.is_complete().then(|| std::mem::take(self))
    }

    #[inline]
    fn into_sides(self) -> S {
        self
    }
}

/// One of two sides. With numbers as keys and values it has half the size of both, and the time of a
/// large join is that of getting at its memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum OneOf2<A, B> {
    #[default]
    None,
    Left(A),
    Right(B),
    #[expect(
        clippy::box_collection,
        reason = "a list would be larger than most values"
    )]
    Lefts(Box<Vec<A>>),
    #[expect(
        clippy::box_collection,
        reason = "a list would be larger than most values"
    )]
    Rights(Box<Vec<B>>),
}

impl<A: State, B: State> State for OneOf2<A, B> {
    const SCHEMA: Schema = Schema::of_library(
        "OneOf2",
        1,
        &[
            Field::variant("None"),
            Field::variant("Left"),
            Field::of::<A>("0"),
            Field::variant("Right"),
            Field::of::<B>("0"),
            Field::variant("Lefts"),
            Field::of::<Vec<A>>("0"),
            Field::variant("Rights"),
            Field::of::<Vec<B>>("0"),
        ],
    );
}

impl<A, B> OneOf2<A, B> {
    #[inline]
    fn left(values: Values<A>) -> Self {
        match values {
            Values::None => Self::None,
            Values::One(value) => Self::Left(value),
            Values::Many(values) => Self::Lefts(values),
        }
    }

    #[inline]
    fn right(values: Values<B>) -> Self {
        match values {
            Values::None => Self::None,
            Values::One(value) => Self::Right(value),
            Values::Many(values) => Self::Rights(values),
        }
    }
}

impl<A: State + Clone, B: State + Clone> Waiting for OneOf2<A, B> {
    type Sides = (Values<A>, Values<B>);

    #[inline]
    fn first(item: Of2<A, B>) -> Self {
        match item {
            Of2::A(value) => Self::Left(value),
            Of2::B(value) => Self::Right(value),
        }
    }

    #[inline]
    fn prefetch(&self) -> bool {
        matches!(self, Self::None)
    }

    #[inline]
    fn take_in(&mut self, item: Of2<A, B>, insert: JoinInsert) -> Option<Self::Sides> {
        let mut sides = match (std::mem::take(self), item) {
            (Self::Left(left), Of2::B(right)) | (Self::Right(right), Of2::A(left)) => {
                return Some((Values::One(left), Values::One(right)));
            }
            (waiting, item) => {
                let mut sides = waiting.into_sides();
                sides.insert(item, insert);
                sides
            }
        };
        *self = match &mut sides {
            (left, Values::None) => Self::left(std::mem::take(left)),
            (Values::None, right) => Self::right(std::mem::take(right)),
            _ => return Some(sides),
        };
        None
    }

    #[inline]
    fn into_sides(self) -> (Values<A>, Values<B>) {
        match self {
            Self::None => (Values::None, Values::None),
            Self::Left(value) => (Values::One(value), Values::None),
            Self::Right(value) => (Values::None, Values::One(value)),
            Self::Lefts(values) => (Values::Many(values), Values::None),
            Self::Rights(values) => (Values::None, Values::Many(values)),
        }
    }
}
