//! Edits of the type of keys.

use std::path::Path;
use std::sync::Arc;

use bytewax::key::FieldsHash;
use serde::{Deserialize, Serialize};

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
        |out: &TestingSink<String>| {
            Dataflow::build("f", |flow| {
                let keyed = flow.input(numbers()).named("in").map(|n| ($key(n), n));
                let counts = keyed.stateful_map(|count: &mut u64, n| {
                    *count += 1;
                    (n, *count)
                });
                let lines = counts
                    .named("counts")
                    .map(|(_, (n, count))| format!("{n}: {count}"));
                lines.output(out.clone()).named("out");
            })
        }
    };
}

const OF_KEYS: &str = "the type of the keys of the step `f.counts`";
const OF_HASHES: &str = "the keys of the step `f.counts`";
const MEND: &str = "write it as it was, or give the step another name by `.named(\"..\")` and say `flow.dropped(\"counts\", \"why\")`";

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

#[test]
fn keys_of_other_types_are_refused() {
    let keys = |words: &'static [&'static str]| Refused(words);
    let number = by!(|n| n);
    edit(
        "u64 to i64",
        number,
        by!(|n| n as i64),
        keys(&[OF_KEYS, "is `i64`", "with `u64`", MEND]),
    );
    edit(
        "u64 to u32",
        number,
        by!(|n| n as u32),
        keys(&[OF_KEYS, MEND]),
    );
    edit(
        "u64 to text",
        number,
        by!(|n: u64| n.to_string()),
        keys(&[OF_KEYS, "`str`", MEND]),
    );
    edit(
        "u64 to an option",
        number,
        by!(Some),
        keys(&[OF_KEYS, "`option(u64)`"]),
    );
    edit(
        "u64 to a tuple",
        number,
        by!(|n| (n,)),
        keys(&[OF_KEYS, "`(u64)`"]),
    );
    edit(
        "u64 to a newtype",
        number,
        by!(newtype::Id),
        keys(&[OF_HASHES, "other hashes", MEND]),
    );
    edit(
        "u64 to another hash",
        number,
        by!(Other),
        keys(&[OF_HASHES, "other hashes", MEND]),
    );
    let seat = by!(seat!(plain row));
    edit(
        "fields reordered",
        seat,
        by!(seat!(reordered row)),
        keys(&[
            OF_KEYS,
            "is `{place: u32, row: u32}`",
            "with `{row: u32, place: u32}`",
            MEND,
        ]),
    );
    edit(
        "an inner type",
        seat,
        by!(seat!(signed row)),
        keys(&[OF_KEYS, "row: i32", MEND]),
    );
    edit(
        "a field renamed",
        seat,
        by!(seat!(field line)),
        keys(&[OF_KEYS, "`#[serde(rename = \"..\")]`"]),
    );
    edit(
        "a struct to a tuple",
        seat,
        by!(|n: u64| ((n % 2) as u32, (n % 3) as u32)),
        keys(&[OF_KEYS]),
    );
    let kind = by!(kind!(kinds));
    edit(
        "variants reordered",
        kind,
        by!(kind!(swapped)),
        keys(&[OF_KEYS, "`<Odd | Even>`", MEND]),
    );
    edit(
        "a variant inserted",
        kind,
        by!(kind!(inserted)),
        keys(&[OF_KEYS, "`<None | Even | Odd>`", MEND]),
    );
    edit(
        "a variant removed",
        by!(kind!(added)),
        kind,
        keys(&[OF_KEYS, "`<Even | Odd | Both>`", MEND]),
    );
    edit(
        "variants reordered inside",
        by!(|n| nested::Both {
            kind: kind!(kinds)(n),
            n
        }),
        by!(|n| nested_swapped::Both {
            kind: kind!(swapped)(n),
            n
        }),
        keys(&[OF_KEYS, MEND]),
    );
}

#[test]
fn keys_of_the_same_bytes_and_hashes_go_on() {
    edit(
        "a variant added",
        by!(kind!(kinds)),
        by!(kind!(added)),
        Kept,
    );
    edit(
        "a variant added inside",
        by!(|n| nested::Both {
            kind: kind!(kinds)(n),
            n
        }),
        by!(|n| nested_added::Both {
            kind: kind!(added)(n),
            n
        }),
        Kept,
    );
    let seat = by!(seat!(plain row));
    edit(
        "a field renamed as the help says",
        seat,
        by!(seat!(renamed line)),
        Kept,
    );
    edit(
        "a type renamed",
        seat,
        by!(|n: u64| another::Chair {
            row: (n % 2) as u32,
            place: (n % 3) as u32,
        }),
        Kept,
    );
    edit(
        "another text",
        by!(|n: u64| n.to_string()),
        by!(|n: u64| Arc::<str>::from(n.to_string())),
        Kept,
    );
    edit("a newtype of the same hash", by!(|n| n), by!(Same), Kept);
}

/// A store of an earlier release does not say what its keys are, but they are there.
#[test]
fn keys_of_an_old_store_are_looked_at() {
    const STORES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/stores");

    fn resumed<K: Key>(version: &str, key: fn(u64) -> K) -> Result<(), String> {
        let store = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(Path::new(STORES).join(version)).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), store.path().join(entry.file_name())).unwrap();
        }
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
