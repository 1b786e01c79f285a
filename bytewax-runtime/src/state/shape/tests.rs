//! Shapes of types as serde sees them.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::trace::trace_within;
use super::{agree, reads, trace};
use crate::key::Key;

fn shape<T: serde::de::DeserializeOwned + Serialize>() -> String {
    let traced = trace(|_: &T| None);
    traced.map_or("unknown".to_owned(), |traced| traced.shape)
}

fn samples<K: Key>() -> String {
    let traced = trace(|key: &K| Some(key.stable_hash() as u32));
    traced.map_or("unknown".to_owned(), |traced| traced.samples)
}

#[expect(dead_code, reason = "only what serde writes for them counts")]
mod types {
    use super::*;

    #[derive(Serialize, Deserialize)]
    pub(super) struct Order {
        user: String,
        #[serde(rename = "count")]
        n: u32,
        #[serde(skip)]
        cached: u64,
    }

    #[derive(Serialize, Deserialize)]
    pub(super) enum Event {
        Click,
        Buy(Order),
        Pay(u64, char),
        Move { from: Option<i8>, to: Box<Event> },
    }

    #[derive(Serialize, Deserialize)]
    pub(super) enum Tree {
        Node(Box<Tree>, Box<Tree>),
        Leaf(f32),
    }

    #[derive(Serialize, Deserialize)]
    pub(super) struct List {
        first: u8,
        rest: Option<Box<List>>,
    }

    #[derive(Serialize, Deserialize)]
    pub(super) struct Wrapped<T>(T);

    #[derive(Serialize, Deserialize)]
    #[serde(try_from = "u32")]
    pub(super) struct Port(pub(super) u32);

    impl TryFrom<u32> for Port {
        type Error = String;

        fn try_from(port: u32) -> Result<Self, String> {
            match port {
                0 | 50.. => Err("out of range".to_owned()),
                port => Ok(Self(port)),
            }
        }
    }

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    pub(super) enum Untagged {
        Text(String),
        Number(u64),
    }
}

/// Types of which only the writing is by hand.
mod written {
    use serde::Serializer;

    use super::*;

    /// Writes a number as it is read.
    #[derive(Deserialize)]
    pub(super) struct Same(u64);

    impl Serialize for Same {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.serialize_u64(self.0)
        }
    }

    /// Writes a tenth of it.
    #[derive(Deserialize)]
    pub(super) struct Tenths(u64);

    impl Serialize for Tenths {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.serialize_u64(self.0 / 10)
        }
    }

    /// Writes it as text.
    #[derive(Deserialize)]
    pub(super) enum Text {
        Number(u64),
        Nothing,
    }

    impl Serialize for Text {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            match self {
                Self::Number(number) => to.collect_str(number),
                Self::Nothing => to.serialize_unit_variant("Text", 1, "Nothing"),
            }
        }
    }

    /// Writes no made-up number.
    #[derive(Deserialize)]
    pub(super) struct Panics(u64);

    impl Serialize for Panics {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("{} is not a number of the program", self.0);
        }
    }

    #[derive(Serialize, Deserialize)]
    pub(super) struct State {
        pub(super) same: Same,
        pub(super) list: Vec<Option<Tenths>>,
        pub(super) map: BTreeMap<u8, Text>,
        #[serde(serialize_with = "as_is")]
        pub(super) by_function: u64,
        pub(super) at: DateTime<chrono::FixedOffset>,
        pub(super) boxed: Box<Event>,
        pub(super) ports: (f64, [Wrapped<types::Port>; 1]),
        pub(super) tree: Tree,
    }

    fn as_is<S: Serializer>(number: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(*number)
    }
}

/// Foreign types may write otherwise than they read; derived code does not.
#[test]
fn what_is_written_by_hand_is_found() {
    let own = || vec!["bytewax_runtime"];
    let traced = trace_within(own(), |_: &written::State| None).unwrap();
    let places: Vec<_> = traced
        .written_by_hand
        .iter()
        .map(|(_, place)| &place[..])
        .collect();
    assert_eq!(places, ["list", "map.value", "by_function"]);
    let read: Vec<_> = traced.by_hand.iter().map(|(_, place)| &place[..]).collect();
    assert_eq!(read, ["ports.1.0"], "by a conversion");
    let traced = trace_within(own(), |_: &(written::Panics, written::Tenths)| None).unwrap();
    assert_eq!(traced.shape, "(u64, u64)");
    assert_eq!(traced.written_by_hand, []);
}

use types::{Event, List, Order, Tree, Untagged, Wrapped};

#[test]
fn a_shape_has_names_order_and_types() {
    assert_eq!(shape::<u64>(), "u64");
    assert_eq!(shape::<(i8, Arc<str>)>(), "(i8, str)");
    assert_eq!(shape::<[u8; 3]>(), "(u8, u8, u8)");
    assert_eq!(
        shape::<HashMap<String, Vec<bool>>>(),
        "map(str, list(bool))"
    );
    assert_eq!(shape::<Order>(), "{user: str, count: u32}");
    assert_eq!(shape::<Wrapped<Wrapped<u8>>>(), "u8");
    assert_eq!(shape::<Option<()>>(), "option(())");
    let event = "<Click | Buy({user: str, count: u32}) | Pay(u64, char) | Move{from: option(i8), to: again(1)}>";
    assert_eq!(shape::<Event>(), event);
    assert_eq!(shape::<Tree>(), "<Node(again(1), again(1)) | Leaf(f32)>");
    assert_eq!(shape::<List>(), "{first: u8, rest: option(again(1))}");
}

/// Types that take only some of the values of what they are saved as.
#[test]
fn values_that_are_checked() {
    assert_eq!(shape::<DateTime<Utc>>(), "str");
    assert_eq!(
        shape::<(NaiveDate, DateTime<Utc>, NonZeroU32)>(),
        "(str, str, u32)"
    );
    let bytes = |count| vec!["u8"; count].join(", ");
    let ip = format!("<V4(({})) | V6(({}))>", bytes(4), bytes(16));
    assert_eq!(shape::<IpAddr>(), ip);
    assert_eq!(shape::<BTreeMap<NaiveDate, types::Port>>(), "map(str, u32)");
    // What no bytes are saved of.
    assert_eq!(shape::<Untagged>(), "unknown");
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Whole(u64);

impl Key for Whole {
    fn stable_hash(&self) -> u64 {
        self.0.stable_hash()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Rounded(u64);

impl Key for Rounded {
    fn stable_hash(&self) -> u64 {
        (self.0 / 10).stable_hash()
    }
}

#[test]
fn samples_show_how_keys_are_hashed() {
    assert_eq!(samples::<Whole>(), samples::<u64>());
    assert_ne!(samples::<Rounded>(), samples::<u64>());
    assert_ne!(samples::<(u64,)>(), samples::<u64>());
    assert_ne!(samples::<(u64, u64)>(), samples::<(u64, u32, u32)>());
    // Another variant has a sample of its own.
    let ip = samples::<IpAddr>();
    assert!(ip.contains(" V6="), "{ip}");
    assert!(agree(&ip, &ip) && !agree(&ip, "0") && agree(&ip, ip.split(' ').next().unwrap()));
}

#[test]
fn variants_may_be_added_behind_the_others() {
    let fits = [
        ("u64", "u64"),
        ("<A | B>", "<A>"),
        ("<A | B{x: <C | D>} | E>", "<A | B{x: <C>}>"),
        ("{a: <A | B(u64)>, b: u8}", "{a: <A>, b: u8}"),
    ];
    for (now, saved) in fits {
        assert!(reads(now, saved), "{now} reads {saved}");
        assert!(
            now == saved || !reads(saved, now),
            "{saved} does not read {now}"
        );
    }
    let faults = [
        ("<B | A>", "<A>"),
        ("<A | B>", "<B>"),
        ("<A | B>", "<A | C>"),
        ("(u64)", "u64"),
        ("{a: u64, b: u8}", "{a: u64}"),
        ("{b: u64, a: u64}", "{a: u64, b: u64}"),
        ("u64", "i64"),
        ("<A", "<A>"),
    ];
    for (now, saved) in faults {
        assert!(!reads(now, saved), "{now} does not read {saved}");
    }
}

/// What the compiler knows of a key is what a trace finds.
#[test]
fn shapes_of_keys_are_known_to_the_compiler() {
    #[track_caller]
    fn check<K: Key>() {
        assert_eq!(K::SHAPE.as_text().unwrap_or("unknown"), shape::<K>());
    }
    check::<(u8, u16, u32, u64)>();
    check::<(usize, u128, bool, char)>();
    check::<(i8, i16, i32, i64, isize, i128)>();
    check::<(String, Arc<str>, Box<str>, Vec<u8>)>();
    check::<([u8; 0], [u8; 3], (), (u8,))>();
    check::<Option<Option<u64>>>();
    check::<(DateTime<Utc>, NaiveDate)>();
    check::<std::net::Ipv4Addr>();
    check::<std::net::Ipv6Addr>();
    check::<IpAddr>();
    // What does not fit, or is written by hand, is not known.
    assert_eq!(<([u8; 32], [u8; 32])>::SHAPE.as_text(), None);
    assert_eq!(Whole::SHAPE.as_text(), None);
    assert!(Whole::SHAPE.reads("u64") && Whole::SHAPE.reads("i64"));
    assert!(u64::SHAPE.reads("u64") && !u64::SHAPE.reads("i64"));
}
