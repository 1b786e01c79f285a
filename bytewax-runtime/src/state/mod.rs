//! State: what keyed steps keep, and what of it can be saved.

mod table;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use table::KeyTable;

/// What can be kept for a key and saved.
///
/// Numbers, `bool`, `char`, `String`, `DateTime<Utc>`, and options, tuples, `Vec`s, sets and maps
/// of what is `State` are `State`. For a type of your own, implement it beside serde's traits:
///
/// ```
/// use bytewax_runtime::state::State;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Mean {
///     sum: f64,
///     count: u64,
/// }
///
/// impl State for Mean {}
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be saved in the recovery store",
    label = "this state type does not implement `State`",
    note = "derive serde's `Serialize` and `Deserialize` for `{Self}`, and write `impl State for {Self} {{}}`",
    note = "for a type from another crate, wrap it in a newtype and do this for that"
)]
pub trait State: Serialize + DeserializeOwned + Send + 'static {}

macro_rules! plain {
    ($($type:ty)*) => { $(impl State for $type {})* };
}
plain!(() bool char String u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 DateTime<Utc>);

impl<T: State> State for Option<T> {}
impl<T: State> State for Vec<T> {}
impl<T: State> State for VecDeque<T> {}
impl<T: State> State for Box<T> {}
impl<T: State + Ord> State for BTreeSet<T> {}
impl<K: State + Ord, V: State> State for BTreeMap<K, V> {}
impl<T: State + Eq + std::hash::Hash> State for HashSet<T> {}
impl<K: State + Eq + std::hash::Hash, V: State> State for HashMap<K, V> {}

macro_rules! tuples {
    ($($name:ident)+) => {
        impl<$($name: State),+> State for ($($name,)+) {}
    };
}
tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);
