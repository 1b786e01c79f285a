//! Edits of types that are saved inside a state, and know nothing of that.

use bytewax::operators::JoinInsert;
use serde::{Deserialize, Serialize};

use super::*;

/// Declares modules that each have a state of one text, with a type `Inner` in it.
macro_rules! states {
    ($($module:ident $inner:tt)+) => {$(
        mod $module {
            use super::*;

            mod inner $inner

            use inner::Inner;

            #[stateful]
            #[derive(Default)]
            pub(super) struct Sum {
                count: u64,
                inner: Inner,
            }

            pub(super) fn program(out: &TestingSink<String>) -> Dataflow {
                Dataflow::build("f", |flow| {
                    let keyed = flow.input(numbers()).named("in").map(|n| (n % 2, n));
                    let counts = keyed.stateful_map(|sum: &mut Sum, n| {
                        sum.count += 1;
                        sum.inner.add(n);
                        (sum.count, sum.inner.sum())
                    });
                    let lines = counts.named("sums").map(|line| format!("{line:?}"));
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

#[test]
fn what_is_saved_inside_counts_and_not_its_text() {
    edit("a field renamed", first::program, same::program, Kept);
    let words: &[&str] = &[
        "the type of what is saved of the step `f.sums`",
        "but its state was saved with `{count: u64, inner: {sum: u64, other: u64}}`",
        "`#[stateful(version = 2, from(OldSum))]`",
    ];
    for (name, program) in [
        ("fields reordered", reordered::program as Program),
        ("another sign", signed::program),
        ("an alias", alias::program),
        ("a field that is not saved", one_less::program),
        ("saved as another type", through_another::program),
    ] {
        edit(name, first::program, program, Refused(words));
    }
}

macro_rules! sums {
    (|$even:ident, $odd:ident| $($name:literal $input:ident),+) => {
        |out: &TestingSink<String>| {
            Dataflow::build("f", |flow| {
                let $even = flow.input(numbers()).named("even").map(|n| (0_u8, 2 * n));
                let $odd = flow.input(numbers()).named("odd").map(|n| (0_u8, 2 * n + 1));
                $(
                    let sums = $input.clone().stateful_map(|sum: &mut u64, n| {
                        *sum += n;
                        *sum
                    });
                    let lines = sums.named($name).map(|(_, sum)| format!("{}: {sum}", $name));
                    lines.output(out.clone()).named(concat!($name, "_out"));
                )+
            })
        }
    };
}

#[test]
fn two_steps_that_exchange_their_names_are_refused() {
    let before = sums!(|even, odd| "a" even, "b" odd);
    let words: &[&str] = &[
        "steps have exchanged their names, or what they do: `f.b` (",
        "reads `even`, as `f.a` did when state was saved; `f.a` (",
        "say `flow.moved(\"a\", \"b\")` and `flow.moved(\"b\", \"a\")`",
        "say `flow.moved(\"b\", \"b\")` and `flow.moved(\"a\", \"a\")` for the next run",
        "say `flow.dropped(\"a\", \"why\")` and `flow.dropped(\"b\", \"why\")`",
    ];
    edit(
        "exchanged",
        before,
        sums!(|even, odd| "a" odd, "b" even),
        Refused(words),
    );
    // In another order in the text, nothing has changed.
    edit("moved", before, sums!(|even, odd| "b" odd, "a" even), Kept);
}

macro_rules! joined {
    (|$even:ident, $odd:ident| $one:ident, $two:ident) => {
        |out: &TestingSink<String>| {
            Dataflow::build("f", |flow| {
                let $even = flow.input(numbers()).named("even").map(|n| (n % 2, n));
                let $odd = flow.input(numbers()).named("odd").map(|n| (n % 2, n + 10));
                let joined = $one.join_running($two, JoinInsert::Last).named("join");
                let lines = joined.map(|line| format!("{line:?}"));
                let _ = lines
                    .clone()
                    .filter(|_| false)
                    .output(out.clone())
                    .named("out");
            })
        }
    };
}

#[test]
fn the_two_inputs_of_a_join_are_not_exchanged() {
    let words: &[&str] = &[
        "the step `f.join`",
        "reads `odd, even`",
        "in another order, `even, odd`",
    ];
    edit(
        "exchanged",
        joined!(|even, odd| even, odd),
        joined!(|even, odd| odd, even),
        Refused(words),
    );
}
