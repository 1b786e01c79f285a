//! The rows that a join emits besides matches.

use std::fmt::Debug;

/// The rows that a join emits besides matches: [`Inner`], [`LeftOuter`], [`RightOuter`] or [`FullOuter`].
pub trait JoinKind<A, B>: Copy + Debug + Send + Sync + 'static {
    /// The emitted row.
    type Row: 'static;

    /// Creates the row of a match.
    #[doc(hidden)]
    fn both(left: A, right: B) -> Self::Row;

    /// Creates the row of an unmatched left row, when no match can arrive any more.
    #[doc(hidden)]
    fn left(left: A) -> Option<Self::Row>;

    /// The same for the right.
    #[doc(hidden)]
    fn right(right: B) -> Option<Self::Row>;
}

/// The rows that [`join_table`](crate::flow::Stream::join_table) emits besides matches: [`Inner`] or [`LeftOuter`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a kind of join with a table",
    label = "not `Inner` or `LeftOuter`",
    note = "rows of the table are looked up, so a row without a match emits nothing"
)]
pub trait TableKind<A, B>: JoinKind<A, B> {}

impl<A: 'static, B: 'static> TableKind<A, B> for Inner {}

impl<A: 'static, B: 'static> TableKind<A, B> for LeftOuter {}

/// Emits matches only.
#[derive(Clone, Copy, Debug)]
pub struct Inner;

/// Also emits unmatched rows of the left.
#[derive(Clone, Copy, Debug)]
pub struct LeftOuter;

/// Also emits unmatched rows of the right.
#[derive(Clone, Copy, Debug)]
pub struct RightOuter;

/// Also emits unmatched rows of both sides.
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
