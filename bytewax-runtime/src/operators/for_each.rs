//! `for_each`, `try_for_each`: a closure at the end of a stream.

use std::marker::PhantomData;

use crate::delivery::Append;
use crate::error::StepError;
use crate::flow::{Stream, Terminal};
use crate::sink::{DynamicSink, sink_fn};

/// Writes each item with a function. Its type fixes that of the items, so closures need no annotation.
fn each<T: 'static>(
    write: impl Fn(T) -> Result<(), StepError> + Send + Sync + 'static,
) -> impl DynamicSink<T, Append> {
    sink_fn(
        || Ok(()),
        move |items: Vec<T>, ()| items.into_iter().try_for_each(&write),
    )
}

impl<T: 'static> Stream<T> {
    /// Calls a function with each item, and ends the stream.
    ///
    /// It is a sink of one closure, on the worker of each item. Nothing is saved. After a crash, the items of
    /// incomplete epochs are repeated.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSource, run_main};
    ///
    /// let (sender, lengths) = std::sync::mpsc::channel();
    /// let flow = Dataflow::build("lengths", |flow| {
    ///     let words = flow.input(TestingSource::new(["a", "word"])).named("words");
    ///     words.for_each(move |word| sender.send(word.len()).unwrap()).named("lengths");
    /// });
    /// run_main(flow.clone()).unwrap();
    /// assert_eq!(lengths.try_iter().collect::<Vec<_>>(), [1, 4]);
    /// ```
    #[track_caller]
    pub fn for_each(self, call: impl Fn(T) + Send + Sync + 'static) -> Terminal {
        let call = move |item| {
            call(item);
            Ok(())
        };
        self.end_in("for_each", each(call))
    }

    /// Calls a function that may fail with each item, and ends the stream. An error stops the run. It is
    /// otherwise like [`for_each`](Self::for_each).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::prelude::*;
    /// use bytewax_runtime::testing::{TestingSource, run_main};
    ///
    /// let flow = Dataflow::build("sum", |flow| {
    ///     let words = flow.input(TestingSource::new(["1", "one"])).named("words");
    ///     words.try_for_each(|word| word.parse::<u32>().map(drop)).named("numbers");
    /// });
    /// let error = run_main(flow).unwrap_err().report().to_string();
    /// assert!(error.contains("sum.numbers") && error.contains("invalid digit"), "{error}");
    /// ```
    #[track_caller]
    pub fn try_for_each<E>(
        self,
        call: impl Fn(T) -> Result<(), E> + Send + Sync + 'static,
    ) -> Terminal
    where
        E: Into<StepError>,
    {
        let call = move |item| call(item).map_err(Into::into);
        self.end_in("try_for_each", each(call))
    }

    /// [`for_each`](Self::for_each) in a flow with a `delivery`; `dataflow!` uses it.
    #[doc(hidden)]
    #[track_caller]
    pub fn for_each_that(
        self,
        call: impl Fn(T) + Send + Sync + 'static,
        _promises: fn(PhantomData<Append>),
    ) -> Terminal {
        self.for_each(call)
    }

    /// [`try_for_each`](Self::try_for_each) in a flow with a `delivery`; `dataflow!` uses it.
    #[doc(hidden)]
    #[track_caller]
    pub fn try_for_each_that<E: Into<StepError>>(
        self,
        call: impl Fn(T) -> Result<(), E> + Send + Sync + 'static,
        _promises: fn(PhantomData<Append>),
    ) -> Terminal {
        self.try_for_each(call)
    }
}
