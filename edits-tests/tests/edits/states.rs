//! Edits of types that are saved inside a state, and know nothing of that.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use super::table::Mend::*;
use super::*;

/// Declares modules that each have a state of one text, with a type `Inner` in it.
macro_rules! states {
    ($($module:ident $inner:tt)+) => {$(
        mod $module {
            use super::*;

            mod inner $inner

            use inner::Inner;

            #[stateful(version = 1)]
            #[derive(Default)]
            pub(super) struct Sum {
                count: u64,
                inner: Inner,
            }

            pub(super) fn program(out: &TestingSink<String>, patch: &Patch) -> Dataflow {
                flow!("f", |flow| {
                    patch.say(flow);
                    let keyed = flow.input(numbers()).named("in").map(|n| (n % 2, n));
                    let counts = keyed.stateful_map(|sum: &mut Sum, n| {
                        sum.count += 1;
                        sum.inner.add(n);
                        (sum.count, sum.inner.sum())
                    }).named(&patch.name("sums"));
                    let lines = counts.map(line);
                    lines.output(out.clone()).named("out");
                })
            }
        }
    )+};
}

/// The functions of `Inner`.
macro_rules! adds {
    ($field:ident as $number:ty) => {
        impl Inner {
            pub(super) fn add(&mut self, n: u64) {
                self.$field += n as $number;
            }

            pub(super) fn sum(&self) -> u64 {
                self.$field as u64
            }
        }
    };
}

states! {
    first {
        use super::super::*;
        #[derive(Default, Serialize, Deserialize)]
        pub(super) struct Inner { sum: u64, other: u64 }
        adds!(sum as u64);
    }
    same {
        use super::super::*;
        #[derive(Default, Serialize, Deserialize)]
        pub(super) struct Inner { #[serde(rename = "sum")] total: u64, other: u64 }
        adds!(total as u64);
    }
    reordered {
        use super::super::*;
        #[derive(Default, Serialize, Deserialize)]
        pub(super) struct Inner { other: u64, sum: u64 }
        adds!(sum as u64);
    }
    signed {
        use super::super::*;
        #[derive(Default, Serialize, Deserialize)]
        pub(super) struct Inner { sum: i64, other: u64 }
        adds!(sum as i64);
    }
    alias {
        use super::super::*;
        type Number = u32;
        #[derive(Default, Serialize, Deserialize)]
        pub(super) struct Inner { sum: Number, other: u64 }
        adds!(sum as Number);
    }
    one_less {
        use super::super::*;
        #[derive(Default, Serialize, Deserialize)]
        pub(super) struct Inner { sum: u64, #[serde(skip)] _other: u64 }
        adds!(sum as u64);
    }
    skipped_by_cfg {
        use super::super::*;
        #[derive(Default, Serialize, Deserialize)]
        pub(super) struct Inner { sum: u64, #[cfg_attr(all(), serde(skip))] _other: u64 }
        adds!(sum as u64);
    }
    array {
        use super::super::*;
        #[derive(Default, Serialize, Deserialize)]
        pub(super) struct Inner { sum: u64, other: [u64; 2] }
        adds!(sum as u64);
    }
    longer_array {
        use super::super::*;
        #[derive(Default, Serialize, Deserialize)]
        pub(super) struct Inner { sum: u64, other: [u64; 3] }
        adds!(sum as u64);
    }
    fewer_values {
        use super::super::*;
        #[derive(Serialize, Deserialize)]
        pub(super) struct Inner { sum: u64, other: NonZeroU64 }
        adds!(sum as u64);
        impl Default for Inner {
            fn default() -> Self { Self { sum: 0, other: NonZeroU64::MIN } }
        }
    }
    through_another {
        use super::super::*;
        #[derive(Clone, Default, Serialize, Deserialize)]
        #[serde(from = "(i64, u64)", into = "(i64, u64)")]
        pub(super) struct Inner { sum: u64, other: u64 }
        impl From<(i64, u64)> for Inner {
            fn from((sum, other): (i64, u64)) -> Self { Self { sum: sum as u64, other } }
        }
        impl From<Inner> for (i64, u64) {
            fn from(inner: Inner) -> Self { (inner.sum as i64, inner.other) }
        }
        adds!(sum as u64);
    }
}

/// The state has the next version, and the old one is kept in a module of its own.
macro_rules! migrated {
    (@ $other:ty; $($module:ident $inner:tt)+) => {$(
        mod $module {
            use super::*;

            mod inner $inner

            mod old {
                use super::super::*;

                #[derive(Default, Serialize, Deserialize)]
                pub(super) struct Inner { pub(super) sum: u64, pub(super) other: $other }

                #[stateful]
                pub(super) struct SumV1 { pub(super) count: u64, pub(super) inner: Inner }
            }

            use inner::Inner;
            use old::SumV1;

            #[stateful(version = 2, from(SumV1))]
            #[derive(Default)]
            pub(super) struct Sum {
                count: u64,
                inner: Inner,
            }

            impl From<SumV1> for Sum {
                fn from(old: SumV1) -> Self {
                    let mut inner = Inner::default();
                    inner.add(old.inner.sum);
                    let _ = old.inner.other;
                    Self { count: old.count, inner }
                }
            }

            pub(super) fn program(out: &TestingSink<String>, patch: &Patch) -> Dataflow {
                flow!("f", |flow| {
                    patch.say(flow);
                    let keyed = flow.input(numbers()).named("in").map(|n| (n % 2, n));
                    let counts = keyed.stateful_map(|sum: &mut Sum, n| {
                        sum.count += 1;
                        sum.inner.add(n);
                        (sum.count, sum.inner.sum())
                    }).named("sums");
                    let lines = counts.map(line);
                    lines.output(out.clone()).named("out");
                })
            }
        }
    )+};
    ($($module:ident $inner:tt)+) => {
        migrated! { @ u64; $($module $inner)+ }
    };
}

migrated! {
    mended_reordered {
        use super::super::*;
        #[derive(Default, Serialize, Deserialize)]
        pub(super) struct Inner { other: u64, sum: u64 }
        adds!(sum as u64);
    }
    mended_signed {
        use super::super::*;
        #[derive(Default, Serialize, Deserialize)]
        pub(super) struct Inner { sum: i64, other: u64 }
        adds!(sum as i64);
    }
    mended_alias {
        use super::super::*;
        type Number = u32;
        #[derive(Default, Serialize, Deserialize)]
        pub(super) struct Inner { sum: Number, other: u64 }
        adds!(sum as Number);
    }
    mended_one_less {
        use super::super::*;
        #[derive(Default, Serialize, Deserialize)]
        pub(super) struct Inner { sum: u64, #[serde(skip)] _other: u64 }
        adds!(sum as u64);
    }
    mended_through_another {
        use super::super::*;
        #[derive(Clone, Default, Serialize, Deserialize)]
        #[serde(from = "(i64, u64)", into = "(i64, u64)")]
        pub(super) struct Inner { sum: u64, other: u64 }
        impl From<(i64, u64)> for Inner {
            fn from((sum, other): (i64, u64)) -> Self { Self { sum: sum as u64, other } }
        }
        impl From<Inner> for (i64, u64) {
            fn from(inner: Inner) -> Self { (inner.sum as i64, inner.other) }
        }
        adds!(sum as u64);
    }
}

migrated! {
    @ [u64; 2];
    mended_array {
        use super::super::*;
        #[derive(Default, Serialize, Deserialize)]
        pub(super) struct Inner { sum: u64, other: [u64; 3] }
        adds!(sum as u64);
    }
}

migrated! {
    mended_fewer_values {
        use super::super::*;
        #[derive(Serialize, Deserialize)]
        pub(super) struct Inner { sum: u64, other: NonZeroU64 }
        adds!(sum as u64);
        impl Default for Inner {
            fn default() -> Self { Self { sum: 0, other: NonZeroU64::MIN } }
        }
    }
}

const SAVED: &[&str] = &[
    "the type of what is saved of the step `f.sums`",
    "but its state was saved with `{count: u64, inner: {sum: u64, other: u64}}`",
];
const MENDS: &[table::Mend] = &[Back, Version, Anew];
const NEXT: &str = "#[stateful(version = 2, from(SumV1))]";

rows! {
    "Types inside a state"
    "The store records the shape of a state: the names, order and types that its `Deserialize` requests, whoever \
     wrote it. This includes types that are not `#[stateful]` themselves; the text of a definition does not matter."

    field_renamed_inside "a field is renamed, with its saved name in `#[serde(rename = \"..\")]`":
        row(first::program, same::program);
    fields_reordered_inside "fields of a type in the state are reordered":
        row(first::program, reordered::program).refused(SAVED, MENDS).written(NEXT, mended_reordered::program);
    another_sign_inside "a number in a type in the state has another sign":
        row(first::program, signed::program).refused(SAVED, MENDS).written(NEXT, mended_signed::program);
    alias_inside "an alias in a type in the state now means another type":
        row(first::program, alias::program).refused(SAVED, MENDS).written(NEXT, mended_alias::program);
    skipped_inside "a field of a type in the state gets `#[serde(skip)]`":
        row(first::program, one_less::program).refused(SAVED, MENDS).written(NEXT, mended_one_less::program);
    skipped_by_cfg_inside "it gets `#[serde(skip)]` by `cfg_attr`":
        row(first::program, skipped_by_cfg::program).refused(SAVED, MENDS).written(NEXT, mended_one_less::program);
    array_inside "an array in a type in the state has another length":
        row(array::program, longer_array::program)
            .refused(
                &[
                    "the type of what is saved of the step `f.sums`",
                    "is `{count: u64, inner: {sum: u64, other: (u64, u64, u64)}}`",
                ],
                MENDS,
            )
            .written(NEXT, mended_array::program);
    fewer_values_inside "a field of a type in the state accepts fewer values (`NonZeroU64` for `u64`), and the store contains others":
        row(first::program, fewer_values::program)
            .refused(
                &[
                    "the state of the step `f.sums`",
                    "that was saved for the key `",
                    "cannot be read: saved state of `Sum` version 1 cannot be read at `inner.other`",
                ],
                MENDS,
            )
            .written(NEXT, mended_fewer_values::program);
    another_type_inside "a type in the state is saved as another by `#[serde(from, into)]`":
        row(first::program, through_another::program)
            .refused(SAVED, MENDS)
            .written(NEXT, mended_through_another::program);
}
