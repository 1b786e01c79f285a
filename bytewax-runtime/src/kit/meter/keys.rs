//! How the keys of items are shown, by the types of items.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt::Debug;

use crate::brief::brief;
use crate::guard::guard;

/// The key of a pair.
type KeyOfPair = fn(&dyn Any) -> Option<&dyn Any>;

type ShowKey = fn(&dyn Any) -> Option<String>;

/// The types of keyed items in a flow, and of their keys. A step that takes items of any type finds their keys
/// here.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyTypes {
    pairs: HashMap<TypeId, KeyOfPair>,
    keys: HashMap<TypeId, ShowKey>,
}

impl KeyTypes {
    /// Adds pairs that a flow treats as key and value.
    pub(crate) fn add_pair<K: 'static, V: 'static>(&mut self) {
        let key: KeyOfPair = |item| {
            let pair = item.downcast_ref::<(K, V)>();
            pair.map(|(key, _)| key as &dyn Any)
        };
        self.pairs.insert(TypeId::of::<(K, V)>(), key);
    }

    /// Adds a type of keys.
    pub(crate) fn add_key<K: Debug + 'static>(&mut self) {
        let show: ShowKey = |key| key.downcast_ref::<K>().map(|key| brief(key));
        self.keys.insert(TypeId::of::<K>(), show);
    }

    /// The debug form of the key of an item, shortened, if the flow has such keys.
    pub(crate) fn key_of(&self, item: &dyn Any) -> Option<String> {
        let key = self.pairs.get(&item.type_id())?(item)?;
        let show = self.keys.get(&key.type_id())?;
        // Whatever the type of a program does there, the run goes on.
        guard(|| Ok(show(key))).ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn the_key_of_a_pair_is_shown_if_both_types_are_known() {
        let mut types = KeyTypes::default();
        types.add_pair::<String, u8>();
        let item = ("a".to_owned(), 1_u8);
        assert_eq!(types.key_of(&item), None, "no type of keys is known");
        types.add_key::<String>();
        assert_eq!(types.key_of(&item).as_deref(), Some("\"a\""));
        assert_eq!(types.key_of(&("a".to_owned(), 1_u16)), None);
        assert_eq!(types.key_of(&7), None);
        let long = ("k".repeat(1000), 1_u8);
        let shown = types.key_of(&long).unwrap();
        assert!(
            shown.len() < 250 && shown.ends_with(".. (1002 bytes)"),
            "{shown}"
        );
    }

    #[test]
    fn a_secret_key_stays_secret() {
        let mut types = KeyTypes::default();
        types.add_pair::<(u8, Secret<u32>), ()>();
        types.add_key::<(u8, Secret<u32>)>();
        let shown = types.key_of(&((7_u8, Secret(4000_u32)), ()));
        assert_eq!(shown.as_deref(), Some("(7, Secret)"));
    }
}
