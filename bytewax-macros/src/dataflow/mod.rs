//! `dataflow!`: names the steps of a flow, and checks what its text shows of the graph.
//!
//! Phases: [`parse`] reads the header, [`walk`] names the steps in the user's tree and notes what
//! it sees in a [`model::Model`], [`check`] reports what is wrong with that, and [`codegen`] or, on
//! errors, [`fallback`] prints.

mod check;
mod codegen;
mod env;
mod fallback;
mod model;
mod names;
mod parse;
mod walk;

#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;

use crate::errors::Errors;
use parse::Parsed;

/// Set to the name of a flow, makes the compiler print what the flow expands to.
const DEBUG_VARIABLE: &str = "BYTEWAX_MACROS_DEBUG";

/// Expands one `dataflow!`.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let mut errors = Errors::new();
    let described = parse::described(input.clone(), &mut errors);
    let (described, can_build) = match described {
        Parsed::Flow(mut described) => {
            let model = walk::body(&mut described);
            check::all(&model, &described.name, &mut errors);
            // The compiler would report these again, in its own words.
            (Some(described), model.leaves.is_empty())
        }
        Parsed::BrokenBody => (None, true),
        Parsed::BrokenHeader => (None, false),
    };
    match (errors.finish(), described) {
        (Err(error), _) if can_build => fallback::with_builder(&input, &error),
        (Err(error), _) => fallback::alone(&error),
        (Ok(()), Some(described)) => {
            let expanded = codegen::dataflow(&described);
            print_if_asked(&described.name.value(), &expanded);
            expanded
        }
        (Ok(()), None) => input,
    }
}

fn print_if_asked(name: &str, expanded: &TokenStream) {
    if std::env::var(DEBUG_VARIABLE).is_ok_and(|asked| asked == name) {
        eprintln!("{expanded}");
    }
}
