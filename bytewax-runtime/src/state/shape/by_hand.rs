//! Determines by type names which code reads a part of a type: serde's generated code, or the program's own
//! code. A trace cannot see the meaning of bytes for the latter.

/// Crates whose types never change their format.
const OTHERS: [&str; 9] = [
    "alloc",
    "bytewax",
    "bytewax_connectors",
    "bytewax_runtime",
    "chrono",
    "core",
    "serde",
    "serde_core",
    "std",
];

/// Types that are read as their content.
const WRAPPERS: [&str; 3] = ["alloc::boxed::Box<", "alloc::rc::Rc<", "alloc::sync::Arc<"];

/// The crates of the program that define a type or its parts.
pub(super) fn crates(ty: &'static str) -> Vec<&'static str> {
    let parts = ty.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    let crates = parts.filter_map(|path| path.split_once("::"));
    let mut crates: Vec<_> = crates
        .map(|(name, _)| name)
        .filter(|name| !name.is_empty() && !OTHERS.contains(name))
        .collect();
    crates.sort_unstable();
    crates.dedup();
    crates
}

/// Whether one of these crates defines a type.
pub(super) fn is_of(crates: &[&str], ty: &str) -> bool {
    let path = ty.split_once("::");
    path.is_some_and(|(name, _)| crates.contains(&name))
}

/// The type that a seed reads, without its wrappers.
pub(super) fn type_of_seed(seed: &'static str) -> Option<&'static str> {
    let ty = inside(seed, "core::marker::PhantomData<")?;
    Some(unwrapped(ty))
}

/// The type in an option, from the name of its reader.
pub(super) fn type_in_option(visitor: &'static str) -> Option<&'static str> {
    let at = visitor.find("OptionVisitor<")?;
    let ty = inside(&visitor[at..], "OptionVisitor<")?;
    Some(unwrapped(ty))
}

/// Whether a seed calls a function of `with` or `deserialize_with`.
pub(super) fn is_function(seed: &str) -> bool {
    seed.contains("::__DeserializeWith")
}

/// Whether a value is written by a function of `with` or `serialize_with`.
pub(super) fn is_writing_function(ty: &str) -> bool {
    ty.contains("::__SerializeWith")
}

/// Whether a type is read and written as its parts, as numbers, texts, tuples and collections are.
pub(super) fn is_plain(ty: &str) -> bool {
    let head = ty.split_once("::").map_or("", |(head, _)| head);
    let is_path = head.chars().all(|c| c.is_alphanumeric() || c == '_');
    !is_path || ["", "alloc", "core", "std"].contains(&head)
}

/// Whether serde generated the reader.
pub(super) fn is_written_by_serde(visitor: &str) -> bool {
    visitor.contains("::deserialize::__Visitor")
}

/// Whether serde generated the first reader for the type itself.
pub(super) fn is_derived(visitor: &str, ty: &str) -> bool {
    let base = ty.split('<').next().unwrap_or(ty);
    let Some((of, _)) = visitor.split_once("::deserialize::__Visitor") else {
        return false;
    };
    let mut found = of.match_indices(base);
    found.any(|(at, _)| of[at + base.len()..].starts_with(['<', '>']))
}

fn unwrapped(mut ty: &'static str) -> &'static str {
    while let Some(within) = WRAPPERS.iter().find_map(|wrapper| inside(ty, wrapper)) {
        ty = within;
    }
    ty
}

fn inside(name: &'static str, start: &str) -> Option<&'static str> {
    name.strip_prefix(start)?.strip_suffix('>')
}
