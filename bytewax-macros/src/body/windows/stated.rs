//! The facts about a window step's state in its arguments, for the lock file.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Expr;

use super::made::{Made, begin_of, calendar, every_of, windower};
use super::spans::last_two;

/// A fact that is a literal.
#[derive(Debug)]
pub(crate) struct Stated {
    /// Its name in the lock file.
    pub(crate) fact: &'static str,
    /// A `const` function that compares it with the text in the lock file.
    pub(crate) is: TokenStream,
    /// The argument.
    pub(crate) place: TokenStream,
}

/// The facts in an argument: those of a windower or a clock that is constructed in it.
pub(crate) fn stated(argument: &Expr) -> Vec<Stated> {
    let Some((made, arguments)) = begin_of(argument) else {
        return Vec::new();
    };
    let fact = |fact, is| Stated {
        fact,
        is,
        place: argument.to_token_stream(),
    };
    let clock = |is: TokenStream| vec![fact("clock", quote!(::bytewax::windowing::compiled::#is))];
    let align_to = match made {
        Made::EventClock => return clock(quote!(event_clock_is)),
        Made::PartitionClock => return clock(quote!(partition_clock_is)),
        Made::StreamClock => return clock(quote!(stream_clock_is)),
        Made::SystemClock => return clock(quote!(system_clock_is)),
        Made::Tumbling => arguments.get(1),
        Made::Sliding | Made::Cumulate => arguments.get(2),
        Made::Session | Made::Count | Made::Global | Made::Days | Made::Weeks | Made::Months => {
            None
        }
    };
    let runtime = quote!(::bytewax);
    let new = windower(made, arguments, every_of(argument), &runtime);
    let Some(new) = new.or_else(|| calendar(made, arguments, &runtime)) else {
        return Vec::new();
    };
    let mut all = vec![fact("windower", quote!(#new.windower_is))];
    if align_to
        .and_then(last_two)
        .is_some_and(|(_, last)| last == "UNIX_EPOCH")
    {
        all.push(fact("align_to", quote!(#new.align_to_is)));
    }
    all
}
