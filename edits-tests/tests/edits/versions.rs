//! Edits of the versions of a type, and values that are still saved as older ones.

use serde::{Deserialize, Serialize};

use super::table::{Mend::*, shown};
use super::*;

/// A module for each program, with the type `Sum` of a step.
macro_rules! programs {
    ($($module:ident { $($item:item)+ } $add:expr;)+) => {$(
        mod $module {
            use super::*;

            $($item)+

            /// Each key once in the first run; then one of them; then the other.
            #[allow(dead_code, reason = "some are for few keys, and some are not")]
            pub(super) fn few(out: &TestingSink<String>, patch: &Patch) -> Dataflow {
                let [one, other, end] =
                    [TestingItem::Item(0_u64), TestingItem::Item(1), TestingItem::Eof];
                let items = [one.clone(), other.clone(), end.clone(), one, end.clone(), other, end];
                flow(out, patch, TestingSource::with_marks(items))
            }

            #[allow(dead_code, reason = "some are for few keys, and some are not")]
            pub(super) fn program(out: &TestingSink<String>, patch: &Patch) -> Dataflow {
                flow(out, patch, numbers())
            }

            fn flow(
                out: &TestingSink<String>,
                patch: &Patch,
                numbers: TestingSource<u64>,
            ) -> Dataflow {
                flow!("f", |flow| {
                    patch.say(flow);
                    let keyed = flow.input(numbers).named("in").map(|n| (n % 2, n));
                    let sums = keyed.stateful_map($add).named(&patch.name("sums"));
                    let lines = sums.map(|line| format!("{line:?}"));
                    lines.output(out.clone()).named("out");
                })
            }
        }
    )+};
}

programs! {
    one {
        #[stateful]
        #[derive(Default)]
        struct Sum { sum: u64 }
    } |sum: &mut Sum, n| { sum.sum += n + 1; sum.sum };

    two {
        #[stateful]
        struct SumV1 { sum: u64 }

        #[stateful(version = 2, from(SumV1))]
        #[derive(Default)]
        struct Sum { sum: i64 }

        impl From<SumV1> for Sum {
            fn from(old: SumV1) -> Self {
                Self { sum: old.sum as i64 }
            }
        }
    } |sum: &mut Sum, n| { sum.sum += n as i64 + 1; sum.sum };

    two_alone {
        #[stateful(version = 2)]
        #[derive(Default)]
        struct Sum { sum: i64 }
    } |sum: &mut Sum, n| { sum.sum += n as i64 + 1; sum.sum };

    two_from_another {
        #[stateful]
        struct SumV1 { sum: u32 }

        #[stateful(version = 2, from(SumV1))]
        #[derive(Default)]
        struct Sum { sum: i64 }

        impl From<SumV1> for Sum {
            fn from(old: SumV1) -> Self {
                Self { sum: old.sum.into() }
            }
        }
    } |sum: &mut Sum, n| { sum.sum += n as i64 + 1; sum.sum };

    three {
        #[stateful]
        struct SumV1 { sum: u64 }

        #[stateful(version = 2, from(SumV1))]
        struct SumV2 { sum: i64 }

        impl From<SumV1> for SumV2 {
            fn from(old: SumV1) -> Self {
                Self { sum: old.sum as i64 }
            }
        }

        #[stateful(version = 3, from(SumV2))]
        #[derive(Default)]
        struct Sum { sum: i128, more: Vec<u8> }

        impl From<SumV2> for Sum {
            fn from(old: SumV2) -> Self {
                Self { sum: old.sum.into(), more: Vec::new() }
            }
        }
    } |sum: &mut Sum, n| { sum.sum += n as i128 + 1; sum.more.clear(); sum.sum };

    grown {
        #[stateful(version = 2, reads(1))]
        #[derive(Default)]
        struct Sum {
            sum: u64,
            #[serde(default)]
            count: u64,
        }
    } |sum: &mut Sum, n| { sum.count += 1; sum.sum += n + 1; sum.sum };

    grown_in_front {
        #[stateful(version = 2, reads(1))]
        #[derive(Default)]
        struct Sum {
            #[serde(default)]
            count: u64,
            #[serde(default)]
            sum: u64,
        }
    } |sum: &mut Sum, n| { sum.count += 1; sum.sum += n + 1; sum.sum };

    renamed {
        #[stateful]
        #[derive(Default)]
        struct Total { sum: u64 }
    } |sum: &mut Total, n| { sum.sum += n + 1; sum.sum };

    number {
        type Sum = u64;
    } |sum: &mut Sum, n| { *sum += n + 1; *sum };

    from_number {
        #[stateful(version = 2, from(u64))]
        #[derive(Default)]
        struct Sum { sum: u64 }

        impl From<u64> for Sum {
            fn from(sum: u64) -> Self {
                Self { sum }
            }
        }
    } |sum: &mut Sum, n| { sum.sum += n + 1; sum.sum };

    listed {
        #[stateful]
        #[derive(Default)]
        struct Sum { sum: u64 }
    } |sums: &mut Vec<Sum>, n| { sums.push(Sum { sum: n + 1 }); sums.iter().map(|it| it.sum).sum::<u64>() };

    listed_two {
        #[stateful]
        struct SumV1 { sum: u64 }

        #[stateful(version = 2, from(SumV1))]
        #[derive(Default)]
        struct Sum { sum: i64 }

        impl From<SumV1> for Sum {
            fn from(old: SumV1) -> Self {
                Self { sum: old.sum as i64 }
            }
        }
    } |sums: &mut Vec<Sum>, n| { sums.push(Sum { sum: n as i64 + 1 }); sums.iter().map(|it| it.sum).sum::<i64>() };

    listed_two_alone {
        #[stateful(version = 2)]
        #[derive(Default)]
        struct Sum { sum: i64 }
    } |sums: &mut Vec<Sum>, n| { sums.push(Sum { sum: n as i64 + 1 }); sums.iter().map(|it| it.sum).sum::<i64>() };

    array {
        #[stateful]
        #[derive(Default)]
        struct Sum { sums: [u64; 2] }
    } |sum: &mut Sum, n| { sum.sums[1] += n + 1; sum.sums[1] };

    longer_array {
        #[stateful]
        #[derive(Default)]
        struct Sum { sums: [u64; 3] }
    } |sum: &mut Sum, n| { sum.sums[1] += n + 1; sum.sums[1] };

    mended_array {
        #[stateful]
        struct SumV1 { sums: [u64; 2] }

        #[stateful(version = 2, from(SumV1))]
        #[derive(Default)]
        struct Sum { sums: [u64; 3] }

        impl From<SumV1> for Sum {
            fn from(old: SumV1) -> Self {
                Self { sums: [old.sums[0], old.sums[1], 0] }
            }
        }
    } |sum: &mut Sum, n| { sum.sums[1] += n + 1; sum.sums[1] };

    opaque {
        #[derive(Default, Serialize, Deserialize)]
        struct Inner { a: u64, b: u64 }

        #[stateful]
        #[derive(Default)]
        struct Sum { inner: Inner }
    } |sum: &mut Sum, n| { sum.inner.a += n + 1; sum.inner.b += 7; sum.inner.a };

    opaque_from_another {
        #[derive(Default, Serialize, Deserialize)]
        struct Inner { b: u64, a: u64 }

        #[stateful]
        struct SumV1 { inner: Inner }

        #[stateful(version = 2, from(SumV1))]
        #[derive(Default)]
        struct Sum { a: u64 }

        impl From<SumV1> for Sum {
            fn from(old: SumV1) -> Self {
                let _ = old.inner.b;
                Self { a: old.inner.a }
            }
        }
    } |sum: &mut Sum, n| { sum.a += n + 1; sum.a };
}

rows! {
    "Versions of a type"
    "`from(..)` and `reads(..)` migrate older versions to the newest. A key is saved in the newest version only \
     when an item needs it, so a store contains values of several versions. It records which, and refuses a program \
     that can no longer migrate one of them. `recovery migrate DIR` saves all values in the newest version; you can \
     then remove older types."

    next_version "the type has the next version, and `from(..)` names the old one":
        row(one::program, two::program);
    two_versions_later "it has the version after the next, and each names the one before":
        row(one::program, three::program);
    first_of_program "a number becomes a `#[stateful]` struct with `version = 2, from(u64)`":
        row(number::program, from_number::program);
    reads_with_default "a field with `#[serde(default)]` is appended, with `reads(1)`":
        row(one::program, grown::program);
    reads_in_front "such a field is inserted before others":
        row(one::program, grown_in_front::program)
            .refused(&["the state of `f.sums`", "version 1"], &[Back, Anew]);
    renamed_type "the type is renamed":
        row(one::program, renamed::program);
    without_a_way "the next version has no `from(..)`":
        row(one::program, two_alone::program)
            .refused(&["the state of `f.sums`", "lead from it by `from(..)`"], &[Back, Anew]);
    another_old_type "the old type in `from(..)` has changed":
        row(one::program, two_from_another::program)
            .refused(&["write the type that was version 1 as it was"], &[Back, Anew]);
    array_longer "an array in the type has another length, and the version is the same":
        row(array::program, longer_array::program)
            .refused(&["the state of `f.sums`"], &[Back, Version, Anew])
            .written("#[stateful(version = 2, from(SumV1))]", mended_array::program);
    another_type_in_the_old "a type in the old type has changed":
        row(opaque::program, opaque_from_another::program)
            .refused(&["in version 1 is `{inner: {a: u64, b: u64}}`", "reads that version as"], &[Back, Anew]);
    older_program "a program from before the next version runs again":
        row(two::program, one::program).refused(&["written by a newer release"], &[]);
    lost_way "`from(..)` and the old type are removed while the store contains values of it":
        shown(
            "refused",
            "undo the edit; or `recovery migrate`; or another name and `flow.dropped(..)`: starts empty",
            a_lost_way_is_told_before_it_is_needed,
        )
        .compiled(two::few, two_alone::few);
    lost_way_in_a_list "the same, with the type in a list":
        shown(
            "refused",
            "undo the edit; or `recovery migrate`; or another name and `flow.dropped(..)`: starts empty",
            a_lost_way_in_a_list_is_told_before_it_is_needed,
        )
        .compiled(listed_two::few, listed_two_alone::few);
}

fn a_lost_way_is_told_before_it_is_needed() {
    lost(
        [one::few, two::few, two_alone::few],
        "states of the step `f.sums`",
    );
}

fn a_lost_way_in_a_list_is_told_before_it_is_needed() {
    let programs = [listed::few, listed_two::few, listed_two_alone::few];
    lost(programs, "states of the step `f.sums`");
}

/// The second program has the way from the first, and the third has lost it.
fn lost([first, second, third]: [Program; 3], words: &str) {
    let store = new_store();
    assert_eq!(run(first, &store).unwrap(), ["(0, 1)", "(1, 2)"]);
    assert_eq!(run(second, &store).unwrap(), ["(0, 2)"]);
    let text = run(third, &store).unwrap_err();
    assert!(
        text.contains(words) && text.contains("are still saved"),
        "{text}"
    );
    // With the way it goes on.
    assert_eq!(run(second, &copy(store.path())).unwrap(), ["(1, 4)"]);
    let other = table::anew_patch(&text);
    assert_eq!(
        run_patched(third, &other, &copy(store.path())).unwrap(),
        ["(1, 2)"]
    );
    // Or by the command, which the program with the way must run.
    let words = text
        .split('`')
        .find(|code| code.starts_with("recovery migrate"));
    let words: Vec<&str> = words.unwrap().split(' ').collect();
    for _ in 0..2 {
        let flow = second(&TestingSink::new(), &Patch::default());
        assert_eq!(bytewax::run_from(flow, &words), bytewax::ExitCode::SUCCESS);
    }
    command(&["recovery", "verify", store.path().to_str().unwrap()]);
    assert_eq!(run(third, &store).unwrap(), ["(1, 4)"]);
}
