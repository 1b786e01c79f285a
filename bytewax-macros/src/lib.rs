//! The macros of the crate `bytewax`. Use them through it: what they expand to names its items.

mod dataflow;
mod errors;
mod key;
mod registry;
mod stateful;

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

/// Makes a struct or an enum state: what can be kept for a key, saved, and read by a later program.
///
/// ```ignore
/// #[stateful]
/// #[derive(Default)]
/// struct Mean {
///     sum: f64,
///     count: u64,
/// }
///
/// let means = readings.stateful_map(|mean: &mut Mean, celsius| mean.push(celsius));
/// ```
///
/// # What you write
///
/// `#[stateful]`, or `#[stateful(version = 2, from(OldType))]`, above a struct or an enum and above
/// its derives. Serde's traits are derived too, through `bytewax`; where the item derives them
/// itself they are left alone. Serde's attributes on fields work, but those that need field names
/// in what is saved.
///
/// # What you get
///
/// ```ignore
/// #[derive(Serialize, Deserialize)]
/// #[derive(Default)]
/// struct Mean {
///     sum: f64,
///     count: u64,
/// }
///
/// impl State for Mean {
///     const SCHEMA: Schema =
///         Schema::new("Mean", 1, &[Field::of::<f64>("sum"), Field::of::<u64>("count")]);
/// }
/// ```
///
/// The schema has a fingerprint of the fields, or variants with their fields, in order: of each its
/// name and its type. A type that is state counts by its own fingerprint and version, so that a
/// change inside it is a change of the whole; another type counts by its text only, as does one
/// with a function of your own in `#[serde(with = "..")]`, and one that contains the item itself.
/// The name of the item does not count. Fields that are `#[serde(skip)]` are not saved and do not
/// count either; the name of a field is that in `#[serde(rename = "..")]`, if there is one.
///
/// Parameters of the item must be state.
///
/// # Versions
///
/// When the fingerprint changes, saved state can no longer be read, and a resume says so. Give the
/// new shape the next version, and keep the old one to migrate from, by an ordinary `From`:
///
/// ```ignore
/// #[stateful(version = 2, from(MeanV1))]
/// struct Mean {
///     sum: f64,
///     count: u64,
/// }
///
/// #[stateful]
/// struct MeanV1 {
///     mean: f64,
/// }
///
/// impl From<MeanV1> for Mean {
///     fn from(old: MeanV1) -> Self {
///         Mean { sum: old.mean, count: 1 }
///     }
/// }
/// ```
///
/// Version 3 then names version 2, which leads on to version 1. If all that changed is that fields
/// with `#[serde(default)]` were added after all others, or variants after all others, no old type
/// is needed:
///
/// ```ignore
/// #[stateful(version = 2, reads(1))]
/// struct Mean {
///     sum: f64,
///     count: u64,
///     #[serde(default)]
///     largest: Option<f64>,
/// }
/// ```
///
/// # Options
///
/// - `version = 2`: the version, from 1, which is the default, to 65535.
/// - `from(Type)`: the type of the version before. Without it, older versions are refused when the
///   flow resumes.
/// - `reads(1, 2)`: older versions that had only the first of today's fields. They must be those
///   just before the version; `from(..)` is then the one before them.
/// - `crate = "path"`: what to name in place of `::bytewax`.
///
/// # Errors
///
/// Reported are options that do not exist or do not fit each other, a type in `from(..)` that is
/// not the version before, items that are neither struct nor enum, borrowed data, and serde's
/// `flatten`, `tag`, `untagged` and `skip_serializing_if`, which would only fail at a resume. A type
/// of a field that serde cannot handle is reported by serde.
///
/// # Without the macro
///
/// Derive serde's traits and write the `impl State` above. For older versions, implement
/// `State::load`, which is given the saved version.
#[proc_macro_attribute]
pub fn stateful(options: TokenStream, item: TokenStream) -> TokenStream {
    stateful::expand(options.into(), &item.into()).into()
}
