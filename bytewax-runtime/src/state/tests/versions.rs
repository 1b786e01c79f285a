//! States of earlier versions, and of versions that cannot be read.

use super::*;

/// Three releases of one type, and one that was changed without a new version.
mod visits {
    use super::*;

    #[stateful(crate = "crate")]
    #[derive(Debug)]
    pub(super) struct V1 {
        pub(super) count: u32,
    }

    #[stateful(crate = "crate", version = 2, from(V1))]
    pub(super) struct V2 {
        pub(super) count: u64,
    }

    impl From<V1> for V2 {
        fn from(old: V1) -> Self {
            Self {
                count: old.count.into(),
            }
        }
    }

    #[stateful(crate = "crate", version = 3, from(V2))]
    #[derive(Debug, PartialEq)]
    pub(super) struct Visits {
        pub(super) count: u64,
        pub(super) last: Option<String>,
    }

    impl From<V2> for Visits {
        fn from(old: V2) -> Self {
            Self {
                count: old.count,
                last: None,
            }
        }
    }

    #[stateful(crate = "crate", version = 3)]
    #[derive(Debug)]
    pub(super) struct Reshaped {
        pub(super) count: u64,
    }
}

#[test]
fn each_version_leads_to_the_newest() {
    use visits::{V1, V2, Visits};
    let visits = |count| Visits { count, last: None };
    assert_eq!(
        migrated::<_, Visits>(&V1 { count: 7 }).expect("is fine"),
        visits(7)
    );
    assert_eq!(
        migrated::<_, Visits>(&V2 { count: 8 }).expect("is fine"),
        visits(8)
    );
    assert_eq!(
        migrated::<_, Visits>(&visits(9)).expect("is fine"),
        visits(9)
    );
    assert_eq!(
        migrated::<_, Box<Visits>>(&V1 { count: 7 }).expect("is fine"),
        Box::new(visits(7))
    );
}

#[test]
fn a_newer_version_is_refused() {
    use visits::{Reshaped, V1};
    let error = check_error::<_, V1>(
        &Reshaped { count: 1 },
        "saved state is version 3, this program knows `V1` up to 1; \
         it was written by a newer release\n\
         help: run that release, or start a fresh recovery store",
    );
    assert!(error.is_newer() && !error.is_damaged() && !error.is_other_shape());
}

#[test]
fn another_shape_of_the_same_version_is_refused() {
    use visits::{Reshaped, Visits};
    let error = check_error::<_, Visits>(
        &Reshaped { count: 1 },
        "saved state is version 3 of another shape; \
         this program has `Visits` version 3, fields `count`, `last`\n\
         help: set `#[stateful(version = 4, from(VisitsV3))]` and keep the old type as `VisitsV3`",
    );
    assert!(error.is_other_shape());
    check_error::<_, i64>(
        &7_u64,
        "saved state is version 1 of another shape; this program has `i64` version 1\n\
         help: keep the type as it was, or put `#[stateful(version = 2, from(..))]` on a struct \
         of your own, with the old type in `from(..)`",
    );
}

#[test]
fn an_older_version_without_a_way_is_refused() {
    use visits::{Reshaped, V1};
    let error = check_error::<_, Reshaped>(
        &V1 { count: 1 },
        "saved state is version 1, which this program's `Reshaped` version 3 does not read\n\
         help: keep the type that was version 1, and lead from it by `from(..)`, \
         one version at a time",
    );
    assert!(error.is_other_shape());
}

#[test]
fn a_built_in_type_can_be_the_first_version() {
    #[stateful(crate = "crate", version = 2, from(u64))]
    #[derive(Debug, PartialEq)]
    struct Total(i64);
    impl From<u64> for Total {
        fn from(old: u64) -> Self {
            Self(i64::try_from(old).unwrap_or(i64::MAX))
        }
    }
    assert_eq!(migrated::<_, Total>(&7_u64).expect("is fine"), Total(7));
}

/// Releases of a type that reads its older versions itself.
mod grown {
    use super::*;

    #[stateful(crate = "crate")]
    pub(super) struct V1(pub(super) u8);

    #[stateful(crate = "crate", version = 2, from(V1))]
    pub(super) struct V2 {
        pub(super) a: u16,
    }

    impl From<V1> for V2 {
        fn from(old: V1) -> Self {
            Self { a: old.0.into() }
        }
    }

    #[stateful(crate = "crate", version = 3)]
    pub(super) struct V3 {
        pub(super) a: u16,
        pub(super) b: String,
    }

    #[stateful(crate = "crate", version = 4, from(V1), reads(2, 3))]
    #[derive(Debug, PartialEq)]
    pub(super) struct Wrong {
        pub(super) b: String,
        #[serde(default)]
        pub(super) a: u16,
    }

    impl From<V1> for Wrong {
        fn from(_: V1) -> Self {
            Self {
                b: String::new(),
                a: 0,
            }
        }
    }

    #[stateful(crate = "crate", version = 4, from(V1), reads(2, 3))]
    #[derive(Debug, PartialEq)]
    pub(super) struct Grown {
        pub(super) a: u16,
        #[serde(default)]
        pub(super) b: String,
        #[serde(skip)]
        pub(super) cache: u8,
        #[serde(default = "seven")]
        pub(super) c: u8,
    }

    fn seven() -> u8 {
        7
    }

    impl From<V1> for Grown {
        fn from(old: V1) -> Self {
            Self {
                a: V2::from(old).a,
                b: String::new(),
                cache: 0,
                c: 0,
            }
        }
    }
}

#[test]
fn older_versions_of_the_first_fields_are_read() {
    use grown::{Grown, V1, V2, V3, Wrong};
    let grown = |a, b: &str, c| Grown {
        a,
        b: b.to_owned(),
        cache: 0,
        c,
    };
    assert_eq!(
        migrated::<_, Grown>(&V1(1)).expect("is fine"),
        grown(1, "", 0)
    );
    assert_eq!(
        migrated::<_, Grown>(&V2 { a: 2 }).expect("is fine"),
        grown(2, "", 7)
    );
    assert_eq!(
        migrated::<_, Grown>(&V3 {
            a: 3,
            b: "x".to_owned()
        })
        .expect("is fine"),
        grown(3, "x", 7)
    );
    assert_eq!(
        migrated::<_, Grown>(&grown(4, "y", 1)).expect("is fine"),
        grown(4, "y", 1)
    );
    check_error::<_, Wrong>(
        &V2 { a: 2 },
        "saved state is version 2 of a shape that cannot be read by default; \
         this program has `Wrong` version 4, fields `b`, `a`\n\
         help: only fields with `#[serde(default)]` at the end, or variants at the end, can be \
         added; for all else keep the old type and use `from(..)` in place of `reads(2)`",
    );
}

#[test]
fn errors_go_between_threads() {
    fn check<E: std::error::Error + Send + Sync + 'static>() {}
    check::<StateError>();
}

#[test]
fn a_version_may_change_no_field() {
    #[stateful(crate = "crate")]
    struct V1 {
        a: u8,
    }
    #[stateful(crate = "crate", version = 2, reads(1))]
    #[derive(Debug, PartialEq)]
    struct V2 {
        a: u8,
        #[serde(default)]
        b: u8,
    }
    #[stateful(crate = "crate", version = 3, reads(1, 2))]
    #[derive(Debug, PartialEq)]
    struct V3 {
        a: u8,
        #[serde(default)]
        b: u8,
    }
    let v2: V3 = migrated(&V2 { a: 1, b: 2 }).expect("is read");
    assert_eq!(v2, V3 { a: 1, b: 2 });
    let v1: V3 = migrated(&V1 { a: 1 }).expect("is read");
    assert_eq!(v1, V3 { a: 1, b: 0 });
}
