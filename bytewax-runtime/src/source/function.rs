//! A source from one function, as `#[source]` generates it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use super::{FixedPartitionedSource, Poll, Reconciled, StatefulSourcePartition};
use crate::delivery::SourcePromise;
use crate::error::StepError;
use crate::state::State;

/// Creates a source of one partition, named after the function.
///
/// `local` creates the resources of the open partition, and `poll` is called for each batch with the position
/// and the resources.
#[doc(hidden)]
pub fn source_fn<D, T, P, L, M, F>(
    name: impl Into<Arc<str>>,
    settings: impl Into<Arc<str>>,
    local: M,
    poll: F,
) -> impl FixedPartitionedSource<D, Item = T, Position = P> + Clone
where
    D: SourcePromise,
    T: 'static,
    P: State + Clone + Default,
    L: 'static,
    M: Fn() -> Result<L, StepError> + Send + Sync + 'static,
    F: Fn(&mut P, &mut L) -> Result<Poll<T>, StepError> + Send + Sync + 'static,
{
    SourceFn {
        name: name.into(),
        settings: settings.into(),
        local: Arc::new(local),
        poll: Arc::new(poll),
        kept: PhantomData,
    }
}

/// Returns the name of a partition of a function. It contains the settings that select the input, so that
/// different inputs have different positions.
#[doc(hidden)]
#[must_use]
pub fn partition_of(function: &str, chosen: &[(&str, String)]) -> String {
    let settings: Vec<String> = chosen
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{function}{OPEN}{}]", settings.join(","))
}

/// Returns the settings whose values can be shown, each with a hash of its value, because a value may be a
/// secret.
#[doc(hidden)]
#[must_use]
pub fn settings_of(settings: &[(&str, Option<String>)]) -> String {
    let shown = settings.iter().filter_map(|(name, value)| {
        let hash = xxhash_rust::xxh3::xxh3_64(value.as_ref()?.as_bytes()) as u32;
        Some(format!("{name}:{hash:08x}"))
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// A setting whose value is shown by [`ByDisplay`] or [`ByPath`] if its type allows it, and else by
/// [`NotShown`].
#[doc(hidden)]
#[derive(Debug)]
pub struct Shown<'a, T: ?Sized>(pub &'a T);

/// Values that implement `Display`.
#[doc(hidden)]
pub trait ByDisplay {
    /// Returns the value.
    fn shown(&self) -> Option<String>;
}

impl<T: Display + ?Sized> ByDisplay for &&Shown<'_, T> {
    fn shown(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// Paths.
#[doc(hidden)]
pub trait ByPath {
    /// Returns the path.
    fn shown(&self) -> Option<String>;
}

impl<T: AsRef<Path> + ?Sized> ByPath for &Shown<'_, T> {
    fn shown(&self) -> Option<String> {
        Some(self.0.as_ref().display().to_string())
    }
}

/// Values that cannot be shown.
#[doc(hidden)]
pub trait NotShown {
    /// Returns `None`.
    fn shown(&self) -> Option<String>;
}

impl<T: ?Sized> NotShown for Shown<'_, T> {
    fn shown(&self) -> Option<String> {
        None
    }
}

/// The separator between the name of a function and its settings.
const OPEN: char = '[';

struct SourceFn<P, L, M, F> {
    name: Arc<str>,
    /// The unmarked settings, as [`settings_of`] returns them.
    settings: Arc<str>,
    local: Arc<M>,
    poll: Arc<F>,
    kept: PhantomData<fn() -> (P, L)>,
}

impl<P, L, M, F> Clone for SourceFn<P, L, M, F> {
    fn clone(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            settings: Arc::clone(&self.settings),
            local: Arc::clone(&self.local),
            poll: Arc::clone(&self.poll),
            kept: PhantomData,
        }
    }
}

impl<D, T, P, L, M, F> FixedPartitionedSource<D> for SourceFn<P, L, M, F>
where
    D: SourcePromise,
    T: 'static,
    P: State + Clone + Default,
    L: 'static,
    M: Fn() -> Result<L, StepError> + Send + Sync + 'static,
    F: Fn(&mut P, &mut L) -> Result<Poll<T>, StepError> + Send + Sync + 'static,
{
    type Item = T;
    type Position = P;
    type Partition = Opened<P, L, F>;

    fn partitions(&self) -> Result<Vec<String>, StepError> {
        Ok(vec![self.name.to_string()])
    }

    fn settings(&self) -> Option<String> {
        (!self.settings.is_empty()).then(|| self.settings.to_string())
    }

    /// A position that was saved before settings were part of the name belongs to their current values.
    fn reconcile(&self, _: &[&str], saved: &BTreeMap<String, P>) -> Result<Reconciled, StepError> {
        let mut reconciled = Reconciled::default();
        let name = &*self.name;
        if let Some((function, _)) = name.split_once(OPEN)
            && saved.len() == 1
            && saved.contains_key(function)
        {
            let earlier = Some(function.to_owned());
            reconciled.renamed.insert(name.to_owned(), earlier);
        }
        Ok(reconciled)
    }

    fn open(&self, _: &str, resume: Option<P>) -> Result<Self::Partition, StepError> {
        Ok(Opened {
            position: resume.unwrap_or_default(),
            local: (self.local)()?,
            poll: Arc::clone(&self.poll),
        })
    }
}

struct Opened<P, L, F> {
    position: P,
    local: L,
    poll: Arc<F>,
}

impl<T, P, L, F> StatefulSourcePartition for Opened<P, L, F>
where
    T: 'static,
    P: State + Clone,
    L: 'static,
    F: Fn(&mut P, &mut L) -> Result<Poll<T>, StepError> + 'static,
{
    type Item = T;
    type Position = P;

    fn next_batch(&mut self) -> Result<Poll<T>, StepError> {
        (self.poll)(&mut self.position, &mut self.local)
    }

    fn snapshot(&self) -> P {
        self.position.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Replayable;

    #[test]
    fn goes_on_from_its_position_with_a_new_local() {
        let source = source_fn::<Replayable, _, _, _, _, _>(
            "ticks",
            "",
            || Ok(0_u32),
            |next: &mut u64, polls: &mut u32| {
                *polls += 1;
                *next += 1;
                Ok(Poll::item((*next, *polls)))
            },
        );
        assert_eq!(source.partitions().unwrap(), ["ticks"]);
        let mut part = source.open("ticks", None).unwrap();
        assert_eq!(part.next_batch().unwrap().items(), [(1, 1)]);
        assert_eq!(part.next_batch().unwrap().items(), [(2, 2)]);
        let mut part = source.clone().open("ticks", Some(part.snapshot())).unwrap();
        assert_eq!(part.next_batch().unwrap().items(), [(3, 1)]);
    }

    #[test]
    fn settings_that_choose_are_part_of_the_name() {
        let chosen = [("topic", "a b".to_owned()), ("part", 3.to_string())];
        let name = partition_of("read", &chosen);
        let poll = |_: &mut u64, (): &mut ()| Ok(Poll::<u8>::end());
        let source = source_fn::<Replayable, _, _, _, _, _>(name, "", || Ok(()), poll);
        let listed = source.partitions().unwrap();
        assert_eq!(listed, ["read[topic=a b,part=3]"]);
        let listed = [listed[0].as_str()];
        let saved = |names: &[&str]| {
            let saved = names.iter().map(|name| ((*name).to_owned(), 5));
            source.reconcile(&listed, &saved.collect()).unwrap().renamed
        };
        let from = |name: &str| BTreeMap::from([(listed[0].to_owned(), Some(name.to_owned()))]);
        assert_eq!(saved(&["read"]), from("read"));
        // What was chosen before is another thing.
        assert_eq!(saved(&["read[topic=b,part=3]"]), BTreeMap::new());
        assert_eq!(saved(&["read", listed[0]]), BTreeMap::new());
    }

    #[test]
    fn fails_with_what_its_local_says() {
        let poll = |(): &mut (), (): &mut ()| Ok(Poll::<u8>::end());
        let source = source_fn::<Replayable, _, _, _, _, _>(
            "ticks",
            "",
            || Err(StepError::msg("no room")),
            poll,
        );
        let error = source.open("ticks", None).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "no room");
    }

    #[test]
    fn settings_are_hashed_if_they_can_be_shown() {
        struct Secret;
        let (number, path, secret) = (7, std::path::PathBuf::from("/shop"), Secret);
        #[expect(
            clippy::needless_borrow,
            reason = "as the macro writes it, which does not know the types"
        )]
        let settings = [
            ("number", (&&&Shown(&number)).shown()),
            ("path", (&&&Shown(&path)).shown()),
            ("text", (&&&Shown("a")).shown()),
            ("secret", (&&&Shown(&secret)).shown()),
        ];
        let values: Vec<_> = settings.iter().map(|(_, value)| value.as_deref()).collect();
        assert_eq!(values, [Some("7"), Some("/shop"), Some("a"), None]);
        let poll = |_: &mut u64, (): &mut ()| Ok(Poll::<u8>::end());
        let text = |settings: &[_]| {
            source_fn::<Replayable, _, _, _, _, _>("read", settings_of(settings), || Ok(()), poll)
                .settings()
        };
        let all = text(&settings).unwrap();
        let names: Vec<_> = all
            .split(' ')
            .map(|it| it.split(':').next().unwrap())
            .collect();
        assert_eq!(names, ["number", "path", "text"]);
        assert_eq!(text(&[("secret", None)]), None);
    }
}
