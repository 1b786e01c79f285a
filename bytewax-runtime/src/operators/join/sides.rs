//! The values of each side of a join for one key, and their rows.

use serde::{Deserialize, Serialize};

use super::waiting::OneOf2;
use super::{JoinAll, JoinInsert, JoinSides, KeyedStreams, complete, partial};
use crate::flow::{Flow, KeyedStream};
use crate::ids::{Port, StepIndex};
use crate::key::Key;
use crate::kit::keyed::{KeyedOut, RouteSide};
use crate::kit::{AnyPush, Exchange};
use crate::state::{Field, Schema, State};

/// The values of one side. One value, the usual case, needs no allocation, and little more room than
/// the value itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum Values<T> {
    #[default]
    None,
    One(T),
    #[expect(clippy::box_collection, reason = "a list would double the room of all")]
    Many(Box<Vec<T>>),
}

impl<T: State> State for Values<T> {
    const SCHEMA: Schema = Schema::of_library(
        "Values",
        1,
        &[
            Field::variant("None"),
            Field::variant("One"),
            Field::of::<T>("0"),
            Field::variant("Many"),
            Field::of::<Vec<T>>("0"),
        ],
    );
}

impl<T> Values<T> {
    #[inline]
    fn insert(&mut self, value: T, insert: JoinInsert) {
        match (insert, &mut *self) {
            (JoinInsert::Last, _) | (_, Values::None) => *self = Values::One(value),
            (JoinInsert::First, _) => {}
            (JoinInsert::Product, Values::Many(values)) => values.push(value),
            (JoinInsert::Product, Values::One(_)) => {
                if let Values::One(first) = std::mem::take(self) {
                    *self = Values::Many(Box::new(vec![first, value]));
                }
            }
        }
    }

    /// Appends later values.
    fn merge(&mut self, other: Self, insert: JoinInsert) {
        match (insert, &mut *self, other) {
            (_, _, Values::None) => {}
            (JoinInsert::Last, _, other) | (_, Values::None, other) => *self = other,
            (JoinInsert::First, ..) => {}
            (JoinInsert::Product, _, Values::One(value)) => self.insert(value, insert),
            (JoinInsert::Product, _, Values::Many(values)) => {
                for value in *values {
                    self.insert(value, insert);
                }
            }
        }
    }

    #[inline]
    fn is_present(&self) -> bool {
        !matches!(self, Values::None)
    }

    fn as_slice(&self) -> &[T] {
        match self {
            Values::None => &[],
            Values::One(value) => std::slice::from_ref(value),
            Values::Many(values) => values,
        }
    }

    /// Each value, or one `None` when there is no value.
    fn options(&self) -> impl Iterator<Item = Option<&T>> {
        let values = self.as_slice();
        (0..values.len().max(1)).map(move |index| values.get(index))
    }
}

/// The values of all sides for one key.
pub(crate) trait Sides: State + Default {
    /// An item of any side.
    type Item: Exchange + Clone + State;
    /// A row with a value of each side.
    type Row: 'static;
    /// A row with a value of each side that has any.
    type PartialRow: 'static;
    /// The number of sides.
    const COUNT: usize;

    fn insert(&mut self, item: Self::Item, insert: JoinInsert);

    /// Appends later values.
    fn merge(&mut self, other: Self, insert: JoinInsert);

    /// Whether each side has a value.
    fn is_complete(&self) -> bool;

    /// The row, when each side has just one value.
    fn into_row(self) -> Result<Self::Row, Self>;

    /// Returns all rows; the left-most side varies slowest.
    fn rows<E>(&self, emit: impl FnMut(Self::Row) -> Result<(), E>) -> Result<(), E>;

    /// Returns all rows; a side without values is one `None`.
    fn partial_rows<E>(&self, emit: impl FnMut(Self::PartialRow) -> Result<(), E>)
    -> Result<(), E>;
}

/// Nested loops, one per side, with a row in the innermost.
macro_rules! product {
    ($emit:ident $each:ident $own:ident [$($row:ident)+]) => { $emit(($($row.$own(),)+))? };
    ($emit:ident $each:ident $own:ident [$($row:ident)*] $side:ident $($rest:ident)*) => {
        for $side in $side.$each() {
            product!($emit $each $own [$($row)* $side] $($rest)*);
        }
    };
}

macro_rules! joins {
    ($($item:ident waits as $waiting:ty: $($V:ident $v:ident $n:tt),+;)+) => { $(
        /// An item of one of the sides.
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub enum $item<$($V),+> { $(
            /// An item of this side.
            $V($V)
        ),+ }

        impl<$($V: State),+> State for $item<$($V),+> {
            const SCHEMA: Schema = Schema::of_library(
                stringify!($item),
                1,
                &[$(Field::variant(stringify!($V)), Field::of::<$V>("0")),+],
            );
        }

        impl<$($V: State + Clone),+> Sides for ($(Values<$V>,)+) {
            type Item = $item<$($V),+>;
            type Row = ($($V,)+);
            type PartialRow = ($(Option<$V>,)+);
            const COUNT: usize = [$($n),+].len();

            #[inline]
            fn insert(&mut self, item: Self::Item, insert: JoinInsert) {
                match item { $($item::$V(value) => self.$n.insert(value, insert),)+ }
            }

            fn merge(&mut self, other: Self, insert: JoinInsert) {
                $(self.$n.merge(other.$n, insert);)+
            }

            #[inline]
            fn is_complete(&self) -> bool {
                $(self.$n.is_present())&&+
            }

            #[inline]
            fn into_row(self) -> Result<Self::Row, Self> {
                match self {
                    ($(Values::One($v),)+) => Ok(($($v,)+)),
                    several => Err(several),
                }
            }

            fn rows<E>(&self, mut emit: impl FnMut(Self::Row) -> Result<(), E>) -> Result<(), E> {
                let ($($v,)+) = self;
                product!(emit as_slice clone [] $($v)+);
                Ok(())
            }

            fn partial_rows<E>(
                &self,
                mut emit: impl FnMut(Self::PartialRow) -> Result<(), E>,
            ) -> Result<(), E> {
                let ($($v,)+) = self;
                product!(emit options cloned [] $($v)+);
                Ok(())
            }
        }

        impl<K: Key, $($V: State + Clone),+> JoinSides for ($(KeyedStream<K, $V>,)+) {
            type Key = K;
            type Sides = ($(Values<$V>,)+);
            type Waiting = $waiting;
            fn inputs(&self) -> (Flow, Vec<Port>) {
                let flow = self.0.flow();
                $(self.$n.assert_same_flow(&flow);)+
                (flow, vec![$(self.$n.port()),+])
            }

            fn enter(step: StepIndex, input: usize, out: KeyedOut<K, $item<$($V),+>>) -> AnyPush {
                match input {
                    $($n => AnyPush::before::<(K, $V)>(step, RouteSide::new(step, out, $item::$V)),)+
                    _ => unreachable!("a join has an input for each side"),
                }
            }
        }

        impl<K: Key, $($V: State + Clone),+> KeyedStreams for ($(KeyedStream<K, $V>,)+) {
            type Key = K;
            type Row = ($($V,)+);
            type PartialRow = ($(Option<$V>,)+);

            #[track_caller]
            fn complete(
                self,
                operator: &'static str,
                insert: JoinInsert,
            ) -> KeyedStream<K, Self::Row> {
                complete(&self, operator, insert)
            }

            #[track_caller]
            fn partial(
                self,
                operator: &'static str,
                insert: JoinInsert,
                running: bool,
            ) -> KeyedStream<K, Self::PartialRow> {
                partial(&self, operator, insert, running)
            }
        }

        // Also for other types than streams: rustc then reports the faults of other tuples.
        impl<$($V),+> JoinAll for ($($V,)+) {}
    )+ };
}

joins! {
    Of1 waits as <Self as JoinSides>::Sides: A a 0;
    Of2 waits as OneOf2<A, B>: A a 0, B b 1;
    Of3 waits as <Self as JoinSides>::Sides: A a 0, B b 1, C c 2;
    Of4 waits as <Self as JoinSides>::Sides: A a 0, B b 1, C c 2, D d 3;
    Of5 waits as <Self as JoinSides>::Sides: A a 0, B b 1, C c 2, D d 3, F f 4;
    Of6 waits as <Self as JoinSides>::Sides: A a 0, B b 1, C c 2, D d 3, F f 4, G g 5;
    Of7 waits as <Self as JoinSides>::Sides: A a 0, B b 1, C c 2, D d 3, F f 4, G g 5, H h 6;
    Of8 waits as <Self as JoinSides>::Sides: A a 0, B b 1, C c 2, D d 3, F f 4, G g 5, H h 6, I i 7;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn j01_rows_are_the_product_and_a_missing_side_is_none() {
        let sides: (Values<i32>, Values<i32>, Values<i32>) = (
            Values::Many(Box::new(vec![1, 2])),
            Values::None,
            Values::Many(Box::new(vec![3, 4])),
        );
        let mut rows = Vec::new();
        let emit = |row| -> Result<(), ()> {
            rows.push(row);
            Ok(())
        };
        sides.partial_rows(emit).unwrap();
        let row = |a, c| (Some(a), None, Some(c));
        assert_eq!(rows, [row(1, 3), row(1, 4), row(2, 3), row(2, 4)]);
    }
}
