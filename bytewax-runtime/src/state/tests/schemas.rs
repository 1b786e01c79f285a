//! What is a change of a schema.

use super::*;

#[test]
fn an_enum_reads_versions_of_fewer_variants() {
    #[stateful(crate = "crate")]
    enum V1 {
        Empty,
        Full { amount: u64 },
    }
    #[stateful(crate = "crate", version = 2, reads(1))]
    #[derive(Debug, PartialEq)]
    enum Tank {
        Empty,
        Full { amount: u64 },
        Leaking(u8),
    }
    #[stateful(crate = "crate", version = 2, reads(1))]
    #[derive(Debug)]
    enum Other {
        Empty,
        Full { amount: u64, since: u64 },
    }
    assert_eq!(
        migrated::<_, Tank>(&V1::Empty).expect("is fine"),
        Tank::Empty
    );
    assert_eq!(
        migrated::<_, Tank>(&V1::Full { amount: 5 }).expect("is fine"),
        Tank::Full { amount: 5 }
    );
    assert_eq!(
        migrated::<_, Tank>(&Tank::Leaking(5)).expect("is fine"),
        Tank::Leaking(5)
    );
    // A field that was added to a variant is not a variant that was added.
    let _ = (
        Other::Empty,
        Other::Full {
            amount: 1,
            since: 2,
        },
    );
    let error = migrated::<_, Other>(&V1::Full { amount: 5 }).expect_err("is refused");
    assert!(error.is_other_shape());
}

#[test]
fn a_change_inside_is_a_change_of_the_whole() {
    #[stateful(crate = "crate")]
    struct Inner {
        _a: u8,
    }
    #[stateful(crate = "crate")]
    struct Renamed {
        _a: u8,
    }
    #[stateful(crate = "crate")]
    struct Changed {
        _a: u16,
    }
    #[stateful(crate = "crate", version = 2)]
    struct Newer {
        _a: u8,
    }
    #[stateful(crate = "crate")]
    struct Whole<T> {
        _inner: Option<T>,
    }
    let whole = fingerprint::<Whole<Inner>>();
    assert_eq!(whole, fingerprint::<Whole<Renamed>>());
    assert_ne!(whole, fingerprint::<Whole<Changed>>());
    assert_ne!(whole, fingerprint::<Whole<Newer>>());
    assert_ne!(fingerprint::<Vec<Inner>>(), fingerprint::<Vec<Changed>>());
}

#[test]
fn types_that_contain_themselves() {
    #[stateful(crate = "crate")]
    #[derive(Debug, PartialEq)]
    struct Tree {
        value: u8,
        children: Vec<Tree>,
    }
    #[stateful(crate = "crate")]
    struct TreeV1 {
        value: u8,
        children: Vec<TreeV1>,
    }
    assert_eq!(fingerprint::<Tree>(), fingerprint::<TreeV1>());
    let old = TreeV1 {
        value: 1,
        children: vec![TreeV1 {
            value: 2,
            children: vec![],
        }],
    };
    let new = Tree {
        value: 1,
        children: vec![Tree {
            value: 2,
            children: vec![],
        }],
    };
    assert_eq!(migrated::<_, Tree>(&old).expect("is fine"), new);
}

#[test]
fn types_that_are_not_state_count_by_their_text() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Foreign(u8);
    #[stateful(crate = "crate")]
    struct Has {
        _it: Vec<Foreign>,
    }
    const EXPECT: Schema =
        Schema::new("Has", 1, &[Field::opaque("_it", "Vec<Foreign>")]).without_number();
    assert_eq!(Has::SCHEMA, EXPECT);
}

#[test]
fn each_change_of_shape_has_another_fingerprint() {
    const fn of(fields: &'static [Field]) -> u64 {
        Schema::new("S", 1, fields).fingerprint
    }
    const SHAPES: [u64; 15] = [
        of(&[]),
        of(&[Field::of::<u8>("a")]),
        of(&[Field::of::<u16>("a")]),
        of(&[Field::of::<u8>("b")]),
        of(&[Field::opaque("a", "u8")]),
        of(&[Field::variant("a")]),
        of(&[Field::of::<u8>("a"), Field::of::<u8>("b")]),
        of(&[Field::of::<u8>("b"), Field::of::<u8>("a")]),
        of(&[Field::variant("a"), Field::variant("b")]),
        of(&[Field::of::<Option<u8>>("a")]),
        of(&[Field::of::<Vec<u8>>("a")]),
        of(&[Field::of::<(u8,)>("a")]),
        of(&[Field::of::<(u8, u8)>("a")]),
        of(&[Field::of::<BTreeSet<u8>>("a")]),
        of(&[Field::of::<BTreeMap<u8, u8>>("a")]),
    ];
    let different: BTreeSet<_> = SHAPES.iter().collect();
    assert_eq!(different.len(), SHAPES.len());
}

#[test]
fn lists_sets_and_maps_are_of_one_kind_each() {
    assert_eq!(fingerprint::<Vec<u8>>(), fingerprint::<VecDeque<u8>>());
    assert_eq!(fingerprint::<BTreeSet<u8>>(), fingerprint::<HashSet<u8>>());
    assert_eq!(
        fingerprint::<BTreeMap<u8, u8>>(),
        fingerprint::<HashMap<u8, u8>>()
    );
    assert_eq!(fingerprint::<Box<u8>>(), fingerprint::<u8>());
    let list = migrated::<_, VecDeque<u8>>(&vec![1_u8, 2]).expect("is fine");
    assert_eq!(list, [1, 2]);
}
