//! The delivery that a flow declares, as far as the compiler can check it against sources and sinks.
//!
//! The walk follows streams from sources to sinks, but knows no types. It therefore asks each source and sink
//! on such a path: their calls get the name of a function that accepts the declaration of the type, and
//! [`questions`] prints these functions. Each requires its own trait, whose message names the path, the weak
//! link and the fix.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use super::env::Trail;
use super::model::Model;

/// The required delivery of each path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    ExactlyOnce,
    AtLeastOnce,
}

impl Delivery {
    /// Its name in the source.
    pub(crate) const WORDS: &str = "`exactly_once` or `at_least_once`";

    pub(crate) fn of(word: &str) -> Option<Self> {
        match word {
            "exactly_once" => Some(Self::ExactlyOnce),
            "at_least_once" => Some(Self::AtLeastOnce),
            _ => None,
        }
    }

    /// Whether it depends on sinks too.
    pub(crate) fn asks_sinks(self) -> bool {
        self == Self::ExactlyOnce
    }

    /// The variant of the runtime.
    pub(crate) fn variant(self) -> Ident {
        Ident::new(self.trait_name(), Span::mixed_site())
    }

    fn trait_name(self) -> &'static str {
        match self {
            Self::ExactlyOnce => "ExactlyOnce",
            Self::AtLeastOnce => "AtLeastOnce",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::ExactlyOnce => "exactly once",
            Self::AtLeastOnce => "at least once",
        }
    }
}

/// The function that asks a source, by its number.
pub(crate) fn source(number: usize) -> String {
    format!("source_{number}_promises")
}

/// The function that asks a sink, by its number.
pub(crate) fn sink(number: usize) -> String {
    format!("sink_{number}_promises")
}

/// The functions that ask sources and sinks.
pub(crate) fn questions(delivery: Delivery, model: &Model) -> TokenStream {
    let reaches = |number: usize| {
        let mut trails = model.sinks.iter().flatten();
        trails.find(|trail| trail.source == number)
    };
    let sources = (0..model.sources).map(|number| {
        let function = item(&source(number));
        let Some(trail) = reaches(number) else {
            return quote! {
                #[allow(dead_code)]
                fn #function<P>(_: ::core::marker::PhantomData<P>) {}
            };
        };
        let name = trail.steps.first().map_or("", String::as_str);
        let question = Question {
            what: format!("Source{number}"),
            fault: format!("the source `{name}` is not replayable"),
            label: "it cannot emit an item again, so items are lost when a run is killed",
            mend: "read from a source that resumes at a saved position, such as `KafkaSource` or `FileSource`: a \
                   `FixedPartitionedSource`, or a `#[source]` with a position",
            kept_by: &["Replayable"],
        };
        question.print(delivery, &function, trail)
    });
    let sinks = model.sinks.iter().enumerate();
    let sinks = sinks.filter(|_| delivery.asks_sinks());
    let sinks = sinks.filter_map(|(number, trails)| {
        let trail = trails.first()?;
        let name = trail.steps.last().map_or("", String::as_str);
        let question = Question {
            what: format!("Sink{number}"),
            fault: format!("the sink `{name}` is append"),
            label: "it may have items twice after a crash",
            mend: "write to a transactional sink, such as `KafkaSink` or `FileSink`, or to an idempotent one: a \
                   `TransactionalSink`, or a `#[sink(idempotent)]`",
            kept_by: &["Transactional", "Idempotent"],
        };
        Some(question.print(delivery, &item(&sink(number)), trail))
    });
    quote!(#(#sources)* #(#sinks)*)
}

/// The name of an item.
fn item(name: &str) -> Ident {
    Ident::new(name, Span::call_site())
}

/// The question to one source or sink.
struct Question {
    /// `Source` or `Sink`, and its number.
    what: String,
    fault: String,
    label: &'static str,
    mend: &'static str,
    /// The accepted declarations.
    kept_by: &'static [&'static str],
}

impl Question {
    /// A function that accepts the declaration, if it is strong enough.
    fn print(&self, delivery: Delivery, function: &Ident, trail: &Trail) -> TokenStream {
        let Self { fault, label, .. } = self;
        let message = format!(
            "the flow declares delivery {}, and the path {} cannot promise it: {fault}",
            delivery.words(),
            shown(&trail.steps)
        );
        let note = format!(
            "{}; or declare the delivery that the path promises",
            self.mend
        );
        let what = &self.what;
        let name = item(&format!("{}{what}", delivery.trait_name()));
        let kept_by = self.kept_by.iter().map(|marker| {
            let marker = item(marker);
            quote!(impl #name for ::bytewax::delivery::#marker {})
        });
        quote! {
            #[diagnostic::on_unimplemented(message = #message, label = #label, note = #note)]
            #[allow(dead_code)]
            trait #name {}
            #(#kept_by)*
            #[allow(dead_code)]
            fn #function<P: #name>(_: ::core::marker::PhantomData<P>) {}
        }
    }
}

/// The number of steps that a message names after the source.
const SHOWN: usize = 8;

/// The steps of a path; the middle of a long one is omitted. A message is a format string.
fn shown(steps: &[String]) -> String {
    let mut named: Vec<String> = steps.iter().map(|step| format!("`{step}`")).collect();
    if let Some(left_out @ 1..) = named.len().checked_sub(SHOWN + 1) {
        named.splice(1..=left_out, [format!("({left_out} steps)")]);
    }
    named.join(" -> ").replace('{', "{{").replace('}', "}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_paths_are_cut_in_their_midst() {
        let steps = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(shown(&steps(2)), "`0` -> `1`");
        assert!(!shown(&steps(9)).contains("steps"));
        assert_eq!(
            shown(&steps(11)),
            "`0` -> (2 steps) -> `3` -> `4` -> `5` -> `6` -> `7` -> `8` -> `9` -> `10`"
        );
    }
}
