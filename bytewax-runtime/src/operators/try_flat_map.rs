//! `try_flat_map`, `try_filter_map`.

use std::fmt::Display;

use super::flat_map::send_all;
use super::try_map::{ERRS_HELP, Errored, TryOut};
use crate::flow::Stream;

impl<T: 'static> Stream<T> {
    /// Turns each item into any number of items, or into an error in a separate stream.
    ///
    /// As with [`try_map`](Stream::try_map), `errs` must be used. Results are emitted in order; an item
    /// yields either items or one error.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let mut out = run_items(["1,2", "3,x", ""], |lines| {
    ///     let parsed = lines.try_flat_map(|line| {
    ///         let numbers = line.split_terminator(',').map(str::parse);
    ///         numbers.collect::<Result<Vec<u32>, _>>()
    ///     });
    ///     let bad = parsed.errs.map(|bad| format!("{}: {}", bad.item, bad.error));
    ///     parsed.oks.map(|n| format!("{n}")).merge(bad)
    /// });
    /// out.sort_unstable();
    /// assert_eq!(out, ["1", "2", "3,x: invalid digit found in string"]);
    /// ```
    #[track_caller]
    pub fn try_flat_map<I, E, F>(self, f: F) -> TryOut<I::Item, Errored<T>>
    where
        I: IntoIterator<Item: 'static>,
        E: Display,
        F: Fn(&T) -> Result<I, E> + Send + Sync + 'static,
    {
        self.split("try_flat_map", ERRS_HELP, move |item, oks, errs, cx| {
            match f(&item) {
                Ok(results) => send_all(results, oks, cx)?,
                Err(error) => errs.push(Errored::new(item, &error, cx)),
            }
            Ok(())
        })
    }

    /// Turns each item into one other item, drops it if `f` returns `None`, or turns it into an error in a
    /// separate stream.
    ///
    /// As with [`try_map`](Stream::try_map), `errs` must be used.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytewax_runtime::testing::run_items;
    ///
    /// let mut out = run_items(["1", "", "x"], |texts| {
    ///     let parsed = texts.try_filter_map(|text| match *text {
    ///         "" => Ok(None),
    ///         text => text.parse::<u32>().map(Some),
    ///     });
    ///     let bad = parsed.errs.map(|bad| format!("{}: {}", bad.item, bad.error));
    ///     parsed.oks.map(|n| format!("{n}")).merge(bad)
    /// });
    /// out.sort_unstable();
    /// assert_eq!(out, ["1", "x: invalid digit found in string"]);
    /// ```
    #[track_caller]
    pub fn try_filter_map<U, E, F>(self, f: F) -> TryOut<U, Errored<T>>
    where
        U: 'static,
        E: Display,
        F: Fn(&T) -> Result<Option<U>, E> + Send + Sync + 'static,
    {
        self.split("try_filter_map", ERRS_HELP, move |item, oks, errs, cx| {
            match f(&item) {
                Ok(result) => oks.buffer.extend(result),
                Err(error) => errs.push(Errored::new(item, &error, cx)),
            }
            Ok(())
        })
    }
}
