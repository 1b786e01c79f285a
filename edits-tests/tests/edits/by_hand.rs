//! Edits of code that reads and writes what is saved in its own way.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::table::{Mend::*, shown};
use super::*;

/// Functions that save a number as it is, and others that save it with another meaning.
mod same {
    use super::*;

    pub(super) fn serialize<S: Serializer>(n: &u64, to: S) -> Result<S::Ok, S::Error> {
        n.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        u64::deserialize(from)
    }
}

mod halves {
    use super::*;

    pub(super) fn serialize<S: Serializer>(n: &u64, to: S) -> Result<S::Ok, S::Error> {
        (2 * n).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        Ok(u64::deserialize(from)? / 2)
    }
}

/// Declares modules that each have a state, with the attribute of it and a type `Inner` in it.
macro_rules! states {
    ($($module:ident #[$stateful:meta] { $($items:item)+ })+) => {$(
        mod $module {
            use super::*;

            $($items)+

            #[$stateful]
            #[derive(Default)]
            pub(super) struct Sum {
                inner: Inner,
            }

            pub(super) fn program(out: &TestingSink<String>, patch: &Patch) -> Dataflow {
                flow!("f", |flow| {
                    patch.say(flow);
                    let keyed = flow.input(numbers()).named("in").map(|n| (n % 2, n));
                    let sums = keyed.stateful_map(|sum: &mut Sum, n| {
                        sum.inner.0 += n;
                        sum.inner.0
                    }).named(&patch.name("sums"));
                    let lines = sums.map(line);
                    lines.output(out.clone()).named("out");
                })
            }
        }
    )+};
}

/// The state that a program had before the next version of it.
macro_rules! old {
    ($inner:item) => {
        mod old {
            use super::super::*;

            #[derive(Default, Serialize, Deserialize)]
            $inner

            #[stateful(version = 1)]
            pub(super) struct SumV1 {
                pub(super) inner: Inner,
            }
        }

        use old::SumV1;

        impl From<SumV1> for Sum {
            fn from(old: SumV1) -> Self {
                Self { inner: Inner(old.inner.0) }
            }
        }
    };
}

states! {
    plain #[stateful] {
        #[derive(Default, Serialize, Deserialize)]
        struct Inner(u64);
    }
    by_function #[stateful] {
        #[derive(Default, Serialize, Deserialize)]
        struct Inner(#[serde(with = "same")] u64);
    }
    numbered #[stateful(version = 1)] {
        #[derive(Default, Serialize, Deserialize)]
        struct Inner(#[serde(with = "same")] u64);
    }
    by_another_function #[stateful(version = 1)] {
        #[derive(Default, Serialize, Deserialize)]
        struct Inner(#[serde(with = "halves")] u64);
    }
    by_impl #[stateful(version = 1)] {
        #[derive(Default)]
        struct Inner(u64);
        impl Serialize for Inner {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(to)
            }
        }
        impl<'de> Deserialize<'de> for Inner {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                u64::deserialize(from).map(Self)
            }
        }
    }
    by_conversion #[stateful(version = 1)] {
        #[derive(Clone, Default, Serialize, Deserialize)]
        #[serde(from = "u64", into = "u64")]
        struct Inner(u64);
        impl From<u64> for Inner {
            fn from(n: u64) -> Self {
                Self(n)
            }
        }
        impl From<Inner> for u64 {
            fn from(inner: Inner) -> Self {
                inner.0
            }
        }
    }
    in_an_option #[stateful] {
        #[derive(Default)]
        struct Inner(u64);
        #[derive(Default, Serialize, Deserialize)]
        struct Within(#[serde(with = "same")] u64);
        impl Serialize for Inner {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                Some(Within(self.0)).serialize(to)
            }
        }
        impl<'de> Deserialize<'de> for Inner {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                Ok(Self(Option::<Within>::deserialize(from)?.unwrap_or_default().0))
            }
        }
    }
    written_by_impl #[stateful] {
        #[derive(Default, Deserialize)]
        struct Inner(u64);
        impl Serialize for Inner {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                (self.0 - self.0 % 100).serialize(to)
            }
        }
    }
    written_by_function #[stateful] {
        #[derive(Default, Serialize, Deserialize)]
        struct Inner(#[serde(serialize_with = "same::serialize")] u64);
    }
    mended #[stateful(version = 2, from(SumV1))] {
        old! { pub(super) struct Inner(pub(super) u64); }
        #[derive(Default, Serialize, Deserialize)]
        struct Inner(#[serde(with = "same")] u64);
    }
    mended_by_impl #[stateful(version = 2, from(SumV1))] {
        old! { pub(super) struct Inner(pub(super) u64); }
        #[derive(Default)]
        struct Inner(u64);
        impl Serialize for Inner {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(to)
            }
        }
        impl<'de> Deserialize<'de> for Inner {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                u64::deserialize(from).map(Self)
            }
        }
    }
    plain_again #[stateful(version = 2, from(SumV1))] {
        old! { pub(super) struct Inner(#[serde(with = "same")] pub(super) u64); }
        #[derive(Default, Serialize, Deserialize)]
        struct Inner(u64);
    }
    migrated #[stateful(version = 2, from(SumV1))] {
        old! { pub(super) struct Inner(#[serde(with = "same")] pub(super) u64); }
        #[derive(Default, Serialize, Deserialize)]
        struct Inner(#[serde(with = "halves")] u64);
    }
}

const NEXT: &str = "#[stateful(version = 2, from(SumV1))]";
const MENDS: &[table::Mend] = &[Back, Version, Anew];

rows! {
    "Code of your own in what is saved"
    "Functions of `#[serde(with = \"..\")]`, the conversions of `#[serde(from, into)]` and hand-written impls of \
     `Serialize` and `Deserialize` can change the meaning of bytes, and no check detects this. A type that contains \
     such code must therefore declare its version: `#[stateful(version = 1)]`. `#[stateful]` itself requires it \
     where it sees the attribute; `lock` and a resume require it where an inner type contains the code. They see \
     code that only writes by `#[serde(serialize_with = \"..\")]`, or by what it writes for sample values: a derived \
     impl writes a sample as it was read. The store records the places that such code reads."

    functions_added "a number in a type in the state is saved by functions of `#[serde(with)]`":
        row(plain::program, numbered::program)
            .refused(&["hand-written impl) reads and writes `inner` of the state of the step `f.sums`"], MENDS)
            .written(NEXT, mended::program);
    impl_added "a type in the state gets hand-written impls of `Serialize` and `Deserialize` with the same format":
        row(plain::program, by_impl::program)
            .refused(&["reads and writes `inner` of the state of the step `f.sums`"], MENDS)
            .written(NEXT, mended_by_impl::program);
    conversion_added "a type in the state is saved as another by `#[serde(from, into)]`, with the same format":
        row(plain::program, by_conversion::program)
            .refused(&["reads and writes `inner` of the state of the step `f.sums`"], MENDS)
            .written(NEXT, mended_by_impl::program);
    functions_removed "such functions are removed":
        row(numbered::program, plain::program)
            .refused(&["reads and writes nothing of the state of the step `f.sums`", "when that was `inner`"], MENDS)
            .written(NEXT, plain_again::program);
    number_removed "a type that contains such code declares no version":
        row(numbered::program, by_function::program)
            .refused(
                &["`inner` of the state of the step `f.sums`", "no check can detect a change of its format"],
                &[Number],
            )
            .written("#[stateful(version = 1)]", numbered::program);
    functions_changed "such code changes the meaning of bytes, with the same version":
        row(numbered::program, by_another_function::program).asks(
            "only you know what such code means; give the type its next version",
            &["(0, 3)", "(0, 5)", "(0, 9)", "(1, 13)", "(1, 5)", "(1, 8)"],
        );
    functions_changed_with_a_version "such code changes the meaning of bytes, with the next version and the old code in `from(..)`":
        row(numbered::program, migrated::program);
    not_asked_twice "`lock` runs on a program without the version":
        shown("`lock` requires the version too", "", lock_asks_for_the_version)
            .uncompiled("the row tests `lock`");
}

fn lock_asks_for_the_version() {
    let locked = |program: Program| {
        let flow = program(&TestingSink::new(), &Patch::default());
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("dataflow.lock");
        let code = bytewax::run_from(flow, ["lock", "--file", file.to_str().unwrap()]);
        assert_eq!(code == bytewax::ExitCode::SUCCESS, file.exists());
        std::fs::read_to_string(file).ok()
    };
    let programs = [
        by_function::program as Program,
        in_an_option::program,
        written_by_impl::program,
        written_by_function::program,
    ];
    for program in programs {
        assert_eq!(locked(program), None);
    }
    assert!(
        locked(numbered::program)
            .unwrap()
            .contains("by_hand = \"inner\"")
    );
    assert!(!locked(plain::program).unwrap().contains("by_hand"));
}
