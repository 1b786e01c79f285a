//! The macros of the crate `bytewax`. Use them through it: what they expand to names its items.

mod dataflow;
mod errors;
mod key;
mod registry;

use proc_macro::TokenStream;

/// Describes a dataflow, and names its steps after the variables they are bound to.
///
/// ```ignore
/// let flow = dataflow!("wordcount", |flow| {
///     let lines = flow.input(FileSource::new(path));
///     let words = lines.flat_map(|line: String| words(&line));
///     let counts = words.key_on(|word| word.clone()).count_final();
///     counts.output(StdOutSink::debug());
/// });
/// ```
///
/// # What you write
///
/// A name, as a string literal of letters, digits, `_` and `-`, and a closure of one parameter, the
/// flow. `move` is allowed. The body is plain Rust: functions, branches, loops and lists of streams
/// work as everywhere.
///
/// # What you get
///
/// A `Dataflow`, from the same code with a name after each step:
///
/// ```ignore
/// let flow = Dataflow::build("wordcount", |flow| {
///     let lines = flow.input(FileSource::new(path)).named("lines.input");
///     let words = lines
///         .flat_map(|line: String| words(&line))
///         .named("words.flat_map");
///     let counts = words
///         .key_on(|word| word.clone())
///         .named("counts.key_on")
///         .count_final()
///         .named("counts.count_final");
///     counts.output(StdOutSink::debug()).named("counts.output");
/// });
/// ```
///
/// # Step ids
///
/// Saved state is found by the id of its step, `flow.scope.name`. An id depends on names in the
/// source only, never on order or line numbers.
///
/// 1. An operator in `let x = ..` is `x.<operator>`. All operators of a statement share `x`, those
///    in arguments too.
/// 2. In a statement without `let`, what the chain starts from gives the name:
///    `counts.late.output(sink)` is `counts.late.output`. If that is the flow itself, the name is
///    the operator alone: `input`.
/// 3. A second stateless operator of one name gets `_2`, the next `_3`. A second source, sink or
///    stateful operator is an error, since a number would move when code moves, and its state with
///    it.
/// 4. `.named("y")` after a step replaces its whole name. A renamed variable keeps its state by
///    `.named("<old name>")`.
/// 5. A call `f(stream, ..)` puts the steps that `f` builds in the scope `x`.
/// 6. A step in a loop, or in a closure that is not an operator's, must be inside a
///    `flow.scope(name, || ..)` whose name differs each turn.
///
/// Steps in the branches of one `if` or `match` may have the same name, as only one is built.
///
/// # Errors
///
/// The compiler reports types, names and moves. The macro adds what the compiler cannot see: a
/// stream that is never read, a result that is dropped (`_x` and `let _ =` drop on purpose), a flow
/// without output, two steps of one name, a step that a loop would build again, and texts that are
/// not names. All are reported in one compile.
///
/// What the macro follows, it follows by name: a stream inside a struct of your own is not followed
/// further, and its steps are then checked when the flow is built.
///
/// Set the environment variable `BYTEWAX_MACROS_DEBUG` to the name of a flow to have the compiler
/// print what it expands to.
///
/// # Without the macro
///
/// Write `Dataflow::build` in place of `dataflow!`, and `.named("..")` after each source, sink and
/// stateful step.
#[proc_macro]
pub fn dataflow(input: TokenStream) -> TokenStream {
    dataflow::expand(&input.into()).into()
}

/// Makes a struct or an enum usable as a key.
///
/// ```ignore
/// #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Key)]
/// struct Seat {
///     row: u32,
///     number: u32,
/// }
/// ```
///
/// # What you get
///
/// An implementation of the trait `Key`, whose hash is made of the hashes of the fields, in order:
///
/// ```ignore
/// impl Key for Seat {
///     fn stable_hash(&self) -> u64 {
///         let mut hash = FieldsHash::new();
///         hash.add::<u32>(&self.row);
///         hash.add::<u32>(&self.number);
///         hash.finish()
///     }
/// }
/// ```
///
/// Each field must be a key. The hash of an enum begins with the name of the variant, so that
/// variants may be moved and added. The hash decides which worker keeps the state of a key:
/// reordering fields or renaming variants changes it.
///
/// # Errors
///
/// A field that is no key, such as a float, is reported at its type. A union is refused.
#[proc_macro_derive(Key)]
pub fn derive_key(input: TokenStream) -> TokenStream {
    key::expand(input.into()).into()
}
