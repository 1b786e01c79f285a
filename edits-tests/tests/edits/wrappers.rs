//! Edits of a `#[stateful]` type that is saved within another: a list, a join, a window.

use std::collections::BTreeMap;
use std::time::Duration;

use bytewax::chrono::{DateTime, TimeDelta};
use bytewax::operators::{JoinInsert, Within};
use bytewax::windowing::{
    EventClock, Inner, Kept, Millis, SessionWindower, SlidingWindower, TumblingWindower,
};

use super::table::Mend::*;
use super::*;

/// What all versions of the type have.
macro_rules! amount {
    ($($field:ident)?) => {
        impl Amount {
            pub(super) fn new(n: u64) -> Self {
                Self { cents: n as _, $($field: 7)? }
            }

            pub(super) fn cents(&self) -> u64 {
                self.cents as u64
            }

            pub(super) fn add(&mut self, other: &Self) {
                self.cents += other.cents;
            }
        }
    };
}

/// The first version.
mod one {
    use super::*;

    #[stateful]
    #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub(super) struct Amount {
        cents: u64,
    }

    amount!();
}

/// Another one under the same number.
mod changed {
    use super::*;

    #[stateful]
    #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub(super) struct Amount {
        currency: u8,
        cents: i64,
    }

    amount!(currency);
}

/// With the next number, and the first version.
mod two {
    use super::*;

    #[stateful]
    pub(super) struct AmountV1 {
        cents: u64,
    }

    #[stateful(version = 2, from(AmountV1))]
    #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub(super) struct Amount {
        currency: u8,
        cents: i64,
    }

    impl From<AmountV1> for Amount {
        fn from(old: AmountV1) -> Self {
            Self::new(old.cents)
        }
    }

    amount!(currency);
}

/// A program of which `Amount` is one of those types.
macro_rules! program {
    ($module:ident, $source:ident, |$keyed:ident, $name:ident| $step:expr) => {
        |out: &TestingSink<String>, patch: &Patch| {
            #[allow(unused_imports, reason = "some steps do not name the type")]
            use $module::Amount;
            flow!("f", |flow| {
                patch.say(flow);
                let $keyed = flow
                    .input($source(patch))
                    .named("in")
                    .map(|n| (n % 2, $module::Amount::new(n)));
                let name = patch.name("x");
                let $name = name.as_str();
                let lines = $step.map(|line| format!("{line:?}"));
                lines.output(out.clone()).named("out");
            })
        }
    };
}

/// The row of a step that has saved the type.
macro_rules! within {
    ($source:ident, |$keyed:ident, $name:ident| $step:expr) => {
        row(
            program!(one, $source, |$keyed, $name| $step),
            program!(changed, $source, |$keyed, $name| $step),
        )
        .refused(&["`f.x`"], &[Back, Version, Anew])
        .written(
            "#[stateful(version = 2, from(AmountV1))]",
            program!(two, $source, |$keyed, $name| $step),
        )
    };
}

macro_rules! clock {
    () => {
        EventClock::new(
            |amount: &Amount| Millis(amount.cents() as i64),
            TimeDelta::hours(1),
        )
    };
}

macro_rules! sides_clock {
    () => {
        EventClock::of_sides(
            (
                |amount: &Amount| Millis(amount.cents() as i64),
                |amount: &Amount| Millis(amount.cents() as i64),
            ),
            TimeDelta::hours(1),
        )
    };
}

fn seconds() -> TumblingWindower {
    TumblingWindower::new(TimeDelta::seconds(1), DateTime::UNIX_EPOCH)
}

fn sliding() -> SlidingWindower {
    let half = TimeDelta::milliseconds(500);
    SlidingWindower::new(TimeDelta::seconds(1), half, DateTime::UNIX_EPOCH)
}

/// Adds up what is in an option.
macro_rules! add_up {
    () => {
        |sum: &mut Option<Amount>, amount| {
            let sum = sum.get_or_insert_with(|| Amount::new(0));
            sum.add(&amount);
            sum.cents()
        }
    };
}

macro_rules! sum {
    () => {
        |mut sum: Amount, amount: Amount| {
            sum.add(&amount);
            sum
        }
    };
}

rows! {
    "State within other types"
    "If a `#[stateful]` type changes, give it the next version. The step then continues, whatever contains the \
     type: an option, a list, a tuple, a map, another struct, a join, a window. The steps below have saved values \
     of a struct; the edit adds a field and changes the type of another."

    in_flat_map "it is the state of `stateful_flat_map`":
        within!(numbers_to_the_end, |keyed, name| keyed
            .stateful_flat_map(|sum: &mut Option<Amount>, amount: Amount| {
                let sum = sum.get_or_insert_with(|| Amount::new(0));
                sum.add(&amount);
                Some(sum.cents())
            })
            .named(name));
    in_an_option "it is in an `Option`":
        within!(numbers_to_the_end, |keyed, name| keyed.stateful_map(add_up!()).named(name));
    in_a_list "it is in a `Vec`":
        within!(numbers_to_the_end, |keyed, name| keyed
            .stateful_map(|all: &mut Vec<Amount>, amount| {
                all.push(amount);
                all.iter().map(Amount::cents).sum::<u64>()
            })
            .named(name));
    in_a_tuple "it is in a tuple":
        within!(numbers_to_the_end, |keyed, name| keyed
            .stateful_map(|(count, sum): &mut (u64, Amount), amount| {
                *count += 1;
                sum.add(&amount);
                (*count, sum.cents())
            })
            .named(name));
    in_a_map "it is in a `BTreeMap`":
        within!(numbers_to_the_end, |keyed, name| keyed
            .stateful_map(|all: &mut BTreeMap<u64, Vec<Option<Amount>>>, amount: Amount| {
                all.entry(amount.cents() % 3).or_default().push(Some(amount));
                all.len()
            })
            .named(name));
    in_reduce "it is the value of `reduce_final`":
        within!(numbers_cut_off, |keyed, name| keyed
            .reduce_final(sum!())
            .named(name)
            .map(|(key, sum)| (key, sum.cents())));
    in_fold "it is in the state of `fold_final`":
        within!(numbers_cut_off, |keyed, name| keyed
            .fold_final(Vec::new, |all, amount| all.push(Some(amount)))
            .named(name)
            .map(|(key, all)| (key, all.iter().flatten().map(Amount::cents).sum::<u64>())));
    in_max "it is the value of `max_final`":
        within!(numbers_cut_off, |keyed, name| keyed
            .max_final(Amount::cents)
            .named(name)
            .map(|(key, most)| (key, most.cents())));
    in_top_n "it is the value of `top_n_final`":
        within!(numbers_cut_off, |keyed, name| keyed
            .top_n_final(4, Amount::cents)
            .named(name)
            .map(|(key, top)| (key, top.iter().map(Amount::cents).collect::<Vec<_>>())));
    in_collect "it is the value of `collect`":
        within!(numbers_cut_off, |keyed, name| keyed
            .collect(6, Duration::MAX)
            .named(name)
            .map(|(key, all)| (key, all.iter().map(Amount::cents).collect::<Vec<_>>())));
    in_lag "it is the value of `lag`":
        within!(numbers_to_the_end, |keyed, name| keyed
            .lag(1)
            .named(name)
            .map(|(key, (now, last))| (key, now.cents(), last.map(|last| last.cents()))));
    in_last_n "it is the value of `last_n`":
        within!(numbers_to_the_end, |keyed, name| keyed
            .last_n(4, |last| last.iter().map(Amount::cents).sum::<u64>())
            .named(name));
    in_dedupe "`dedupe` compares it":
        within!(numbers_to_the_end, |keyed, name| keyed
            .dedupe(Within::Last(100), Amount::clone)
            .named(name)
            .map(|(key, amount)| (key, amount.cents())));
    in_join "it is on both sides of a `join_final`":
        within!(numbers_cut_off, |keyed, name| {
            let other = keyed.clone().filter(|(_, amount)| amount.cents() > 3);
            keyed
                .join_final(other, JoinInsert::Product)
                .named(name)
                .map(|(key, (one, other))| (key, one.map(|it| it.cents()), other.map(|it| it.cents())))
        });
    in_join_of_two "it waits in a `join` for the other side":
        within!(numbers_to_the_end, |keyed, name| {
            let other = keyed.clone().filter(|_| false);
            keyed
                .join(other)
                .named(name)
                .map(|(key, (one, other))| (key, one.cents(), other.cents()))
        });
    in_join_rows "it is on both sides of `join_rows`":
        within!(numbers_cut_off, |keyed, name| {
            let other = keyed.clone().filter(|(_, amount)| amount.cents() > 3);
            keyed
                .join_rows(other, Inner, Kept::Unbounded)
                .named(name)
                .map(|(key, (one, other))| (key, one.cents(), other.cents()))
        });
    in_reduce_window "it is the value of `reduce_window`":
        within!(numbers_cut_off, |keyed, name| keyed
            .reduce_window(clock!(), seconds().in_arrival_order(), sum!())
            .named(name)
            .down
            .map(|(key, (_, sum))| (key, sum.cents())));
    in_sliding_window "it is the value of `reduce_window` with sliding windows":
        within!(numbers_cut_off, |keyed, name| keyed
            .reduce_window(clock!(), sliding().in_arrival_order(), sum!())
            .named(name)
            .down
            .map(|(key, (id, sum))| (key, id, sum.cents())));
    in_collect_window "it is the value of `collect_window`, and values wait for the watermark":
        within!(numbers_cut_off, |keyed, name| keyed
            .collect_window::<Vec<_>, _, _>(clock!(), seconds())
            .named(name)
            .down
            .map(|(key, (_, all))| (key, all.iter().map(Amount::cents).collect::<Vec<_>>())));
    in_fold_window "it is the state of `fold_window` with sessions":
        within!(numbers_cut_off, |keyed, name| keyed
            .fold_window(
                clock!(),
                SessionWindower::new(TimeDelta::seconds(1)).in_arrival_order(),
                || Amount::new(0),
                |sum, amount| sum.add(&amount),
                |sum, other| sum.add(&other),
            )
            .named(name)
            .down
            .map(|(key, (_, sum))| (key, sum.cents())));
    in_join_window "it is on both sides of `join_window`":
        within!(numbers_cut_off, |keyed, name| {
            let other = keyed.clone().filter(|(_, amount)| amount.cents() > 3);
            keyed
                .join_window(other, sides_clock!(), seconds(), JoinInsert::Last)
                .named(name)
                .down
                .map(|(key, (_, (one, other)))| {
                    (key, one.map(|it| it.cents()), other.map(|it| it.cents()))
                })
        });
}
