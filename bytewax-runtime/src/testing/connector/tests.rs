//! Connectors that break their promises, one each.

use super::*;
use crate::source::{FixedPartitionedSource, Poll, StatefulSourcePartition};

/// Counts up to 6, two at a time, and is wrong in one way.
#[derive(Clone, Copy)]
struct Wrong {
    /// How far behind the saved position it goes on.
    off: u64,
    names: [&'static str; 2],
    ends: bool,
}

struct Counter {
    next: u64,
    ends: bool,
}

impl FixedPartitionedSource for Wrong {
    type Item = u64;
    type Position = u64;
    type Partition = Counter;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(self.names.map(str::to_owned).to_vec())
    }

    fn open(&self, _: &str, resume: Option<u64>) -> Result<Counter, StepError> {
        Ok(Counter {
            next: resume.map_or(0, |next| next + self.off),
            ends: self.ends,
        })
    }
}

impl StatefulSourcePartition for Counter {
    type Item = u64;
    type Position = u64;

    fn next_batch(&mut self) -> Result<Poll<u64>, StepError> {
        if self.next >= 6 {
            return Ok(match self.ends {
                true => Poll::end(),
                false => Poll::batch(vec![]),
            });
        }
        self.next += 2;
        Ok(Poll::batch(vec![self.next - 2, self.next - 1]))
    }

    fn snapshot(&self) -> u64 {
        self.next
    }
}

#[track_caller]
fn check(source: Wrong, expect: &str) {
    assert_eq!(check_source(|| source).unwrap_err().to_string(), expect);
}

#[test]
fn sources_that_break_their_promises() {
    let right = Wrong {
        off: 0,
        names: ["a", "b"],
        ends: true,
    };
    assert_eq!(check_source(|| right).unwrap()[1].1, [0, 1, 2, 3, 4, 5]);
    check(
        Wrong { off: 2, ..right },
        "partition `a`, closed behind batch 0 and opened there: item 0 is Some(4) and should be \
         Some(0)",
    );
    check(
        Wrong {
            names: ["a", "a"],
            ..right
        },
        "two partitions have the name `a`",
    );
    check(
        Wrong {
            ends: false,
            ..right
        },
        "partition `a` gave nothing in 100000 polls, and no end",
    );
}

/// Counts up to 4, fails there, and says how often it did.
#[derive(Clone, Copy)]
struct Failing {
    /// Whether the error depends on where it was opened.
    varies: bool,
    fails: bool,
}

struct FailingPartition {
    next: u64,
    opened_at: u64,
    settings: Failing,
}

impl FixedPartitionedSource for Failing {
    type Item = u64;
    type Position = u64;
    type Partition = FailingPartition;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(vec!["a".to_owned()])
    }

    fn open(&self, _: &str, resume: Option<u64>) -> Result<FailingPartition, StepError> {
        let next = resume.unwrap_or(0);
        Ok(FailingPartition {
            next,
            opened_at: next,
            settings: *self,
        })
    }
}

impl StatefulSourcePartition for FailingPartition {
    type Item = u64;
    type Position = u64;

    fn next_batch(&mut self) -> Result<Poll<u64>, StepError> {
        if self.next < 4 {
            self.next += 1;
            return Ok(Poll::item(self.next - 1));
        }
        if !self.settings.fails {
            return Ok(Poll::end());
        }
        let opened = if self.settings.varies {
            self.opened_at
        } else {
            0
        };
        Err(StepError::msg(format!("no number {opened}")))
    }

    fn snapshot(&self) -> u64 {
        self.next
    }
}

#[test]
fn sources_that_fail() {
    let right = Failing {
        varies: false,
        fails: true,
    };
    let items = check_failing_source(|| right).unwrap();
    assert_eq!(
        items,
        [("a".to_owned(), vec![0, 1, 2, 3], "no number 0".to_owned())]
    );
    assert_eq!(
        check_source(|| right).unwrap_err().to_string(),
        "next_batch of `a`: no number 0"
    );
    let wrong = |source| check_failing_source(|| source).unwrap_err().to_string();
    assert_eq!(
        wrong(Failing {
            varies: true,
            ..right
        }),
        "partition `a`, closed behind batch 1 and opened there: the error is Some(\"no number 1\") and \
         should be Some(\"no number 0\")"
    );
    assert_eq!(
        wrong(Failing {
            fails: false,
            ..right
        }),
        "no partition fails"
    );
}

#[test]
fn the_source_of_tests() {
    let items = check_source(|| crate::testing::TestingSource::new(0..7).batch_size(2)).unwrap();
    assert_eq!(items[0].1, [0, 1, 2, 3, 4, 5, 6]);
}

#[cfg(feature = "recovery")]
mod in_flows {
    use std::marker::PhantomData;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::delivery::{Append, Idempotent, SinkPromise, Transactional};
    use crate::ids::{StepId, WorkerIndex};
    use crate::sink::{SinglePartitionSink, StatefulSinkPartition};
    use crate::source::{DynamicSource, StatelessSourcePartition};
    use crate::testing::TestingSink;

    /// A list that may not be cut back when a run goes on, with what it declares.
    struct List<P> {
        numbers: Arc<Mutex<Vec<u64>>>,
        cuts: bool,
        declared: PhantomData<fn(P)>,
    }

    impl<P> Clone for List<P> {
        fn clone(&self) -> Self {
            Self {
                numbers: Arc::clone(&self.numbers),
                ..*self
            }
        }
    }

    impl<P: SinkPromise> SinglePartitionSink<u64, P> for List<P> {
        type Position = u64;
        type Partition = Self;

        fn partition(&self) -> Result<String, StepError> {
            Ok("list".to_owned())
        }

        fn open(&self, resume: Option<u64>) -> Result<Self, StepError> {
            if self.cuts {
                let length = resume.unwrap_or(0) as usize;
                self.numbers.lock().unwrap().truncate(length);
            }
            Ok(self.clone())
        }
    }

    impl<P: 'static> StatefulSinkPartition<u64> for List<P> {
        type Position = u64;

        fn write_batch(&mut self, values: Vec<u64>) -> Result<(), StepError> {
            self.numbers.lock().unwrap().extend(values);
            Ok(())
        }

        fn snapshot(&mut self) -> Result<u64, StepError> {
            Ok(self.numbers.lock().unwrap().len() as u64)
        }
    }

    /// Checks a list; `distinct` reads each number once, as a table by key has it.
    fn check<P: SinkPromise>(cuts: bool, distinct: bool) -> Result<(), BrokenPromise> {
        let make = || {
            let list = List::<P> {
                numbers: Arc::default(),
                cuts,
                declared: PhantomData,
            };
            let numbers = Arc::clone(&list.numbers);
            let read = move || {
                let mut numbers = numbers.lock().unwrap().clone();
                if distinct {
                    numbers.sort_unstable();
                    numbers.dedup();
                }
                numbers
            };
            (move || list.clone(), read)
        };
        check_sink_in_flows(make, &[1, 2, 3, 4], &[1, 2, 3, 4])
    }

    #[test]
    fn sinks_keep_what_they_declare() {
        check::<Transactional>(true, false).unwrap();
        check::<Idempotent>(false, true).unwrap();
        check::<Append>(false, false).unwrap();
    }

    #[test]
    fn a_sink_that_declares_too_much_is_found() {
        for (broken, declared) in [
            (check::<Transactional>(false, false), "transactional"),
            (check::<Idempotent>(false, false), "idempotent"),
        ] {
            let text = broken.unwrap_err().to_string();
            let end =
                format!("there 2 times and should be 1 times; the sink is declared {declared}");
            assert!(text.ends_with(&end), "{text}");
        }
    }

    /// Numbers that each worker emits, or that are others each time.
    struct Unshared {
        made: u64,
    }

    struct UnsharedPartition(std::ops::Range<u64>);

    impl DynamicSource for Unshared {
        type Item = u64;
        type Partition = UnsharedPartition;

        fn build(
            &self,
            _: &StepId,
            _: WorkerIndex,
            _: usize,
        ) -> Result<UnsharedPartition, StepError> {
            Ok(UnsharedPartition(self.made..self.made + 2))
        }
    }

    impl StatelessSourcePartition for UnsharedPartition {
        type Item = u64;

        fn next_batch(&mut self) -> Result<Poll<u64>, StepError> {
            Ok(self.0.next().map_or(Poll::end(), Poll::item))
        }
    }

    #[test]
    fn unsaved_sources_that_break_their_promises() {
        let twice = check_dynamic_source(|| Unshared { made: 0 });
        assert_eq!(
            twice.unwrap_err().to_string(),
            "in a flow of 2 workers: 0 is there 2 times and should be 1 times"
        );
        let made = AtomicUsize::new(0);
        let others = check_dynamic_source(|| Unshared {
            made: made.fetch_add(1, Ordering::Relaxed) as u64,
        });
        assert_eq!(
            others.unwrap_err().to_string(),
            "in a flow of 1 workers: 0 is there 0 times and should be 1 times"
        );
    }

    #[test]
    fn a_dynamic_sink_is_not_exactly_once_by_itself() {
        let make = || {
            let list = TestingSink::new();
            let read = list.clone();
            (move || list.clone(), move || read.items())
        };
        check_sink_in_flows(make, &[1, 2, 3], &[1, 2, 3]).unwrap();
        let lost = check_sink_in_flows(make, &[1, 2], &[1, 2, 3]);
        assert_eq!(
            lost.unwrap_err().to_string(),
            "in a flow of 1 workers: 3 is there 0 times and should be 1 times"
        );
    }

    /// Goes on too early in a partition that is not the first one that is opened.
    #[derive(Default)]
    struct Shared(AtomicUsize);

    impl FixedPartitionedSource for Shared {
        type Item = u64;
        type Position = u64;
        type Partition = Counter;

        fn partitions(&self) -> Result<Vec<String>, StepError> {
            Ok(vec!["a".to_owned(), "b".to_owned()])
        }

        fn open(&self, _: &str, resume: Option<u64>) -> Result<Counter, StepError> {
            let is_first = self.0.fetch_add(1, Ordering::Relaxed) == 0;
            let next = resume.unwrap_or(0);
            Ok(Counter {
                next: if is_first { next } else { next.min(2) },
                ends: true,
            })
        }
    }

    #[test]
    fn a_source_that_is_wrong_in_flows_alone() {
        let error = check_source(Shared::default).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("in a flow of "), "{text}");
        assert!(text.ends_with("should be 2 times"), "{text}");
    }
}
