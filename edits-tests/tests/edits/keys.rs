//! Edits of the type of keys.

use std::path::Path;
use std::sync::Arc;

use bytewax::key::FieldsHash;
use serde::{Deserialize, Serialize};

use super::table::{Mend::*, shown};
use super::*;

/// Declares key types, each in a module of its own so that they may have one name.
macro_rules! keys {
    ($($module:ident { $($item:item)+ })+) => {$(
        mod $module {
            use super::*;
            $(
                #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Key)]
                $item
            )+
        }
    )+};
}

keys! {
    plain { pub(super) struct Seat { pub row: u32, pub place: u32 } }
    reordered { pub(super) struct Seat { pub place: u32, pub row: u32 } }
    signed { pub(super) struct Seat { pub row: i32, pub place: u32 } }
    another { pub(super) struct Chair { pub row: u32, pub place: u32 } }
    field { pub(super) struct Seat { pub line: u32, pub place: u32 } }
    renamed { pub(super) struct Seat { #[serde(rename = "row")] pub line: u32, pub place: u32 } }
    newtype { pub(super) struct Id(pub u64); }
    kinds { pub(super) enum Kind { Even, Odd } }
    swapped { pub(super) enum Kind { Odd, Even } }
    inserted { #[allow(dead_code, reason = "another test has it")] pub(super) enum Kind { None, Even, Odd } }
    added { pub(super) enum Kind { Even, Odd, Both } }
    nested { pub(super) struct Both { pub kind: super::kinds::Kind, pub n: u64 } }
    nested_added { pub(super) struct Both { pub kind: super::added::Kind, pub n: u64 } }
    nested_swapped { pub(super) struct Both { pub kind: super::swapped::Kind, pub n: u64 } }
}

/// Saved as the number, and hashed as it too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Same(u64);

impl Key for Same {
    fn stable_hash(&self) -> u64 {
        self.0.stable_hash()
    }
}

/// Hashed otherwise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Other(u64);

impl Key for Other {
    fn stable_hash(&self) -> u64 {
        let mut hash = FieldsHash::new();
        hash.add(&self.0);
        hash.add(&1_u8);
        hash.finish()
    }
}

/// A program that counts by a key.
macro_rules! by {
    ($key:expr) => {
        |out: &TestingSink<String>, patch: &Patch| {
            flow!("f", |flow| {
                patch.say(flow);
                let keyed = flow.input(numbers()).named("in").map(|n| (($key)(n), n));
                let counts = keyed
                    .stateful_map(|count: &mut u64, n| {
                        *count += 1;
                        (n, *count)
                    })
                    .named(&patch.name("counts"));
                let lines = counts.map(|(_, (n, count))| format!("{n}: {count}"));
                lines.output(out.clone()).named("out");
            })
        }
    };
}

const OF_KEYS: &str = "the type of the keys of the step `f.counts`";
const KEYS: &str = "the type of the keys of `counts` is saved as `";
const OF_HASHES: &str = "the keys of the step `f.counts`";

macro_rules! kind {
    ($module:ident) => {
        |n: u64| match n % 2 {
            0 => $module::Kind::Even,
            _ => $module::Kind::Odd,
        }
    };
}

macro_rules! seat {
    ($module:ident $row:ident) => {
        |n: u64| $module::Seat {
            $row: (n % 2) as _,
            place: (n % 3) as u32,
        }
    };
}

macro_rules! both {
    ($module:ident $kinds:ident) => {
        |n: u64| $module::Both {
            kind: kind!($kinds)(n),
            n,
        }
    };
}

rows! {
    "Keys"
    "The store records the shape of keys (names, order and types) and how they are hashed."

    number_to_signed "`u64` to `i64`":
        row(by!(|n| n), by!(|n| n as i64)).refused(&[OF_KEYS, "is `i64`", "with `u64`"], &[Back, Anew]).by_compiler(KEYS);
    number_to_narrow "`u64` to `u32`":
        row(by!(|n| n), by!(|n| n as u32)).refused(&[OF_KEYS, "is `u32`"], &[Back, Anew]).by_compiler(KEYS);
    number_to_text "`u64` to `String`":
        row(by!(|n| n), by!(|n: u64| n.to_string())).refused(&[OF_KEYS, "`str`"], &[Back, Anew]).by_compiler(KEYS);
    text_to_number "`String` to `u64`":
        row(by!(|n: u64| n.to_string()), by!(|n| n)).refused(&[OF_KEYS, "is `u64`"], &[Back, Anew]).by_compiler(KEYS);
    number_to_option "`u64` to `Option<u64>`":
        row(by!(|n| n), by!(Some)).refused(&[OF_KEYS, "`option(u64)`"], &[Back, Anew]).by_compiler(KEYS);
    number_to_tuple "`u64` to `(u64,)`":
        row(by!(|n| n), by!(|n| (n,))).refused(&[OF_KEYS, "`(u64)`"], &[Back, Anew]).by_compiler(KEYS);
    number_to_newtype "`u64` to a newtype with `#[derive(Key)]`, which hashes as a struct":
        row(by!(|n| n), by!(newtype::Id)).refused(&[OF_HASHES, "other hashes"], &[Back, Anew]);
    newtype_to_number "such a newtype to `u64`":
        row(by!(newtype::Id), by!(|n| n)).refused(&[OF_HASHES, "other hashes"], &[Back, Anew]);
    number_to_same_hash "`u64` to a newtype that hashes as its number":
        row(by!(|n| n), by!(Same));
    another_hash "`stable_hash` computes another hash":
        row(by!(Same), by!(Other)).refused(&[OF_HASHES, "other hashes"], &[Back, Anew]);
    shorter_tuple "a part of a tuple is removed":
        row(by!(|n| (n % 2, n % 3)), by!(|n| n % 2)).refused(&[OF_KEYS], &[Back, Anew]).by_compiler(KEYS);
    tuple_reordered "parts of a tuple with different types are reordered":
        row(by!(|n| (n, n as u32)), by!(|n| (n as u32, n))).refused(&[OF_KEYS], &[Back, Anew]).by_compiler(KEYS);
    same_tuple_reordered "parts of a tuple with the same type are reordered":
        row(by!(|n| (n % 2, 7_u64)), by!(|n| (7_u64, n % 2))).asks(
            "only you know what a part means, so start empty under another name",
            &["0: 1", "1: 1", "2: 2", "3: 2", "4: 3", "5: 3"],
        );
    array_longer "an array has another length":
        row(by!(|n| [n as u8, 1]), by!(|n| [n as u8, 1, 1]))
            .refused(&[OF_KEYS, "is `(u8, u8, u8)`", "with `(u8, u8)`"], &[Back, Anew]).by_compiler(KEYS);
    array_longer_inside "an array in a key has another length":
        row(by!(|n: u64| ([n as u8; 2], 0_u8)), by!(|n: u64| ([n as u8; 3], 0_u8)))
            .refused(&[OF_KEYS, "is `((u8, u8, u8), u8)`"], &[Back, Anew]).by_compiler(KEYS);
    fields_reordered "fields of a struct are reordered":
        row(by!(seat!(plain row)), by!(seat!(reordered row))).refused(
            &[OF_KEYS, "is `{place: u32, row: u32}`", "with `{row: u32, place: u32}`"],
            &[Back, Anew],
        ).by_compiler(KEYS);
    inner_type "a field has another type":
        row(by!(seat!(plain row)), by!(seat!(signed row))).refused(&[OF_KEYS, "row: i32"], &[Back, Anew]).by_compiler(KEYS);
    field_renamed "a field is renamed":
        row(by!(seat!(plain row)), by!(seat!(field line)))
            .refused(&[OF_KEYS, "`#[serde(rename = \"..\")]`"], &[Back, SerdeName, Anew]).by_compiler(KEYS)
            .written("#[serde(rename = \"..\")]", by!(seat!(renamed line)));
    struct_to_tuple "a struct becomes a tuple":
        row(by!(seat!(plain row)), by!(|n: u64| ((n % 2) as u32, (n % 3) as u32)))
            .refused(&[OF_KEYS], &[Back, Anew]).by_compiler(KEYS);
    type_renamed "a type is renamed":
        row(
            by!(seat!(plain row)),
            by!(|n: u64| another::Chair {
                row: (n % 2) as u32,
                place: (n % 3) as u32,
            }),
        );
    text_to_shared_text "`String` to `Arc<str>`":
        row(by!(|n: u64| n.to_string()), by!(|n: u64| Arc::<str>::from(n.to_string())));
    variants_reordered "variants of an enum are reordered":
        row(by!(kind!(kinds)), by!(kind!(swapped))).refused(&[OF_KEYS, "`<Odd | Even>`"], &[Back, Anew]).by_compiler(KEYS);
    variant_inserted "a variant is inserted before others":
        row(by!(kind!(kinds)), by!(kind!(inserted)))
            .refused(&[OF_KEYS, "`<None | Even | Odd>`"], &[Back, Anew]).by_compiler(KEYS);
    variant_added "a variant is appended":
        row(by!(kind!(kinds)), by!(kind!(added)));
    variant_removed "a variant is removed":
        row(by!(kind!(added)), by!(kind!(kinds))).refused(&[OF_KEYS, "`<Even | Odd | Both>`"], &[Back, Anew]).by_compiler(KEYS);
    variants_reordered_inside "variants of an enum in a key are reordered":
        row(by!(both!(nested kinds)), by!(both!(nested_swapped swapped))).refused(&[OF_KEYS], &[Back, Anew]).by_compiler(KEYS);
    variant_added_inside "a variant is appended to an enum in a key":
        row(by!(both!(nested kinds)), by!(both!(nested_added added)));
    key_chosen_otherwise "another value of the same type becomes the key":
        row(by!(|n| n % 3), by!(|n| n % 2)).asks(
            "a key continues with the state of an equal key",
            &["0: 3", "1: 3", "2: 4", "3: 4", "4: 5", "5: 5"],
        );
    of_an_old_store "any of these, with a store of an earlier release, which has no record of its keys":
        shown("refused, if a few saved keys do not decode to their old values", "undo the edit; or another name and \
               `flow.dropped(..)`: starts empty", keys_of_an_old_store_are_looked_at)
            .uncompiled("a lock file of that release has none either");
}

/// A store of an earlier release does not say what its keys are, but they are there.
fn keys_of_an_old_store_are_looked_at() {
    const STORES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/stores");

    fn resumed<K: Key>(version: &str, key: fn(u64) -> K) -> Result<(), String> {
        let store = copy(&Path::new(STORES).join(version));
        let flow = Dataflow::build("kept", |flow| {
            for gone in ["sums", "last", "alarms"] {
                flow.dropped(gone, "it is of another test");
            }
            let items = TestingSource::new([(String::new(), 1_i64)]);
            let keyed = flow.input(items).named("items");
            let keyed = keyed.map(move |(_, n)| (key(n as u64), n));
            let most = keyed.stateful_map(|most: &mut i64, n| *most + n);
            most.named("most").output(TestingSink::new()).named("out");
        });
        let config = RunConfig::new().recovery(RecoveryConfig::new(store.path()));
        cluster_main(flow, config).map_err(|error| error.report())
    }

    for version in ["v1", "v2", "v3"] {
        assert_eq!(resumed(version, |n| n), Ok(()));
        let refused = [
            resumed(version, |n| n as i64),
            resumed(version, |n| n.to_string()),
            resumed(version, |n| (n,)),
            resumed(version, newtype::Id),
            resumed(version, Other),
        ];
        for refused in refused {
            let text = refused.unwrap_err();
            assert!(
                text.contains("the keys of the step `kept.most`"),
                "{version}: {text}"
            );
            assert!(
                text.contains("help: write the type of its keys as it was"),
                "{text}"
            );
        }
    }
}
