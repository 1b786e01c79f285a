//! Which rows a join emits besides those that meet.

use std::fmt::Debug;

/// Which rows a join emits besides those that meet: [`Inner`], [`LeftOuter`], [`RightOuter`] or [`FullOuter`].
pub trait JoinKind<A, B>: Copy + Debug + Send + Sync + 'static {
    /// What is emitted.
    type Row: 'static;

    /// Two rows meet.
    #[doc(hidden)]
    fn both(left: A, right: B) -> Self::Row;

    /// A row of the left has met none, and none can come any more.
    #[doc(hidden)]
    fn left(left: A) -> Option<Self::Row>;

    /// The same of the right.
    #[doc(hidden)]
    fn right(right: B) -> Option<Self::Row>;
}

/// Rows that meet, and no others.
#[derive(Clone, Copy, Debug)]
pub struct Inner;

/// Also the rows of the left that meet none.
#[derive(Clone, Copy, Debug)]
pub struct LeftOuter;

/// Also the rows of the right that meet none.
#[derive(Clone, Copy, Debug)]
pub struct RightOuter;

/// Also the rows of both sides that meet none.
#[derive(Clone, Copy, Debug)]
pub struct FullOuter;

impl<A: 'static, B: 'static> JoinKind<A, B> for Inner {
    type Row = (A, B);

    fn both(left: A, right: B) -> Self::Row {
        (left, right)
    }

    fn left(_: A) -> Option<Self::Row> {
        None
    }

    fn right(_: B) -> Option<Self::Row> {
        None
    }
}

impl<A: 'static, B: 'static> JoinKind<A, B> for LeftOuter {
    type Row = (A, Option<B>);

    fn both(left: A, right: B) -> Self::Row {
        (left, Some(right))
    }

    fn left(left: A) -> Option<Self::Row> {
        Some((left, None))
    }

    fn right(_: B) -> Option<Self::Row> {
        None
    }
}

impl<A: 'static, B: 'static> JoinKind<A, B> for RightOuter {
    type Row = (Option<A>, B);

    fn both(left: A, right: B) -> Self::Row {
        (Some(left), right)
    }

    fn left(_: A) -> Option<Self::Row> {
        None
    }

    fn right(right: B) -> Option<Self::Row> {
        Some((None, right))
    }
}

impl<A: 'static, B: 'static> JoinKind<A, B> for FullOuter {
    type Row = (Option<A>, Option<B>);

    fn both(left: A, right: B) -> Self::Row {
        (Some(left), Some(right))
    }

    fn left(left: A) -> Option<Self::Row> {
        Some((Some(left), None))
    }

    fn right(right: B) -> Option<Self::Row> {
        Some((None, Some(right)))
    }
}
