//! What the arguments of a window step say of its state: the facts that the lock file has of it.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Expr;

use super::spans::{Span, number, span_of};
use super::{Made, begin_of, last_two, values_apart};

/// A fact that is text in the source.
#[derive(Debug)]
pub(crate) struct Stated {
    /// Its name in the lock file.
    pub(crate) fact: &'static str,
    /// A `const` function of the text in the lock file: whether that is the same.
    pub(crate) is: TokenStream,
    /// The argument.
    pub(crate) place: TokenStream,
}

/// The facts that an argument states: those of a windower or a clock that is made in it.
pub(crate) fn stated(argument: &Expr) -> Vec<Stated> {
    let Some((made, arguments)) = begin_of(argument) else {
        return Vec::new();
    };
    let place = argument.to_token_stream();
    let fact = |fact, is| Stated {
        fact,
        is,
        place: place.clone(),
    };
    let clock = |is: TokenStream| vec![fact("clock", quote!(::bytewax::windowing::locked::#is))];
    let span = |index: usize| micros(arguments.get(index)?);
    let aligned = |index: usize| {
        let at = arguments.get(index).and_then(last_two);
        at.is_some_and(|(_, last)| last == "UNIX_EPOCH")
    };
    let epoch = quote!(::bytewax::windowing::locked::EPOCH);
    let (windower, is_aligned) = match made {
        Made::EventClock => return clock(quote!(event_clock_is)),
        Made::PartitionClock => return clock(quote!(partition_clock_is)),
        Made::SystemClock => return clock(quote!(system_clock_is)),
        Made::Tumbling => {
            let length = span(0);
            (
                length.map(|length| quote!(TumblingWindower::new(#length, #epoch))),
                aligned(1),
            )
        }
        Made::Sliding => {
            let spans = span(0).zip(span(1));
            let new = spans
                .map(|(length, offset)| quote!(SlidingWindower::new(#length, #offset, #epoch)));
            (new, aligned(2))
        }
        Made::Session => (span(0).map(|gap| quote!(SessionWindower::new(#gap))), false),
        Made::Count => {
            let values = arguments.first().and_then(values);
            let new = values.map(|values| quote!(CountWindower::new(#values)));
            let new = match values_apart(argument) {
                None => new,
                Some(every) => new
                    .zip(self::values(every))
                    .map(|(new, every)| quote!(#new.every(#every))),
            };
            (new, false)
        }
    };
    let windower = windower.map(|new| quote!(::bytewax::windowing::#new));
    let mut all = Vec::new();
    if let Some(new) = windower {
        all.push(fact("windower", quote!(#new.windower_is)));
        if is_aligned {
            all.push(fact("align_to", quote!(#new.align_to_is)));
        }
    }
    all
}

/// A span that can be read, as an expression of ours.
fn micros(span: &Expr) -> Option<TokenStream> {
    let Span::Micros(micros) = span_of(span)? else {
        return None;
    };
    let micros = i64::try_from(micros).unwrap_or(if micros < 0 { i64::MIN } else { i64::MAX });
    Some(quote!(::bytewax::windowing::locked::micros(#micros)))
}

fn values(expr: &Expr) -> Option<u64> {
    u64::try_from(number(expr)?).ok()
}
