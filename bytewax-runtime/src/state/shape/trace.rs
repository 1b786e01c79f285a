//! Traces a type: reads it from made-up values, once for each variant of its enums.

use std::any::type_name;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::by_hand;
use super::de::{De, Refused};
use super::ser::{Values, Written, written};

/// The most values that a trace creates.
const MOST: usize = 2000;

/// A place within a type.
pub(super) type Path = Vec<u32>;

/// The content of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Leaf(&'static str),
    Option,
    List,
    Map,
    Tuple(usize),
    Struct(&'static [&'static str]),
    Enum(&'static [&'static str]),
    Again(usize),
}

/// A part with several alternatives, until one is accepted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Attempted {
    Place(Path),
    /// An enum within itself, where the wrong variant never ends.
    Within(&'static str),
}

/// The knowledge of a trace and its next attempt.
#[derive(Default)]
pub(super) struct Tracing {
    pub(super) nodes: BTreeMap<Path, Node>,
    /// The present attempt.
    pub(super) attempts: BTreeMap<Attempted, usize>,
    /// The variant under test, and the enums on the way to it.
    pub(super) chosen: BTreeMap<Path, u32>,
    /// The last request, for another attempt when its value is refused.
    pub(super) last: Option<Attempted>,
    /// The variants that cannot be read.
    unreadable: Vec<(Path, u32)>,
    /// The crates of the program.
    pub(super) own: Vec<&'static str>,
    /// The places that custom code of the program reads.
    pub(super) by_hand: BTreeSet<Path>,
    /// The places that custom code of the program writes otherwise than they are read.
    written_by_hand: BTreeSet<Path>,
    /// The named types at each place, the outermost first, and the values that the present attempt reads.
    pub(super) types: BTreeMap<Path, Vec<&'static str>>,
    pub(super) fed: Values,
}

/// The shape of a type, and a function's result for a sample of each variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Traced {
    pub(crate) shape: String,
    /// Without a name for the first variants of all enums; by name for the others.
    pub(crate) samples: String,
    /// The places that custom code of the program reads, by numbers and by names.
    pub(crate) by_hand: Vec<(Vec<u32>, String)>,
    /// The places that custom code of the program writes, as far as it shows: a function of `serialize_with`, or
    /// an impl that writes a sample otherwise than it was read.
    pub(crate) written_by_hand: Vec<(Vec<u32>, String)>,
}

/// What a trace makes of a value that it has read.
#[derive(Default)]
struct Sample {
    number: Option<u32>,
    written: Option<Written>,
}

/// Traces a type; `None` if it cannot be read from made-up values because it accepts only few.
pub(crate) fn trace<T: DeserializeOwned + Serialize>(
    number: impl Fn(&T) -> Option<u32>,
) -> Option<Traced> {
    trace_within(by_hand::crates(type_name::<T>()), number)
}

/// Traces a type of a program that consists of these crates.
pub(super) fn trace_within<T: DeserializeOwned + Serialize>(
    own: Vec<&'static str>,
    number: impl Fn(&T) -> Option<u32>,
) -> Option<Traced> {
    let read = |de: De<'_>| {
        let value = T::deserialize(de)?;
        Ok(Sample {
            number: number(&value),
            // Code that panics for a made-up value may be right for those of the program.
            written: catch_unwind(AssertUnwindSafe(|| written(&value)))
                .ok()
                .flatten(),
        })
    };
    // A panic here concerns a made-up value, not one of the program's.
    let traced = || traced(own, type_name::<T>(), &read);
    catch_unwind(AssertUnwindSafe(traced)).ok()?
}

/// Reads a value, and creates a sample of it.
type Read<'a> = dyn Fn(De<'_>) -> Result<Sample, Refused> + 'a;

fn traced(own: Vec<&'static str>, ty: &'static str, read: &Read<'_>) -> Option<Traced> {
    let tracing = RefCell::new(Tracing {
        own,
        ..Tracing::default()
    });
    let mut samples = Vec::new();
    let mut made = 0;
    let mut target = None;
    loop {
        let sample = loop {
            made += 1;
            if made > MOST {
                return None;
            }
            tracing.borrow_mut().begin(ty);
            match read(De::new(&tracing)) {
                Ok(sample) => break Some(sample),
                Err(_) if tracing.borrow_mut().try_else() => {}
                Err(_) => break None,
            }
        };
        let mut known = tracing.borrow_mut();
        match (sample, target.take()) {
            (Some(sample), at) => {
                if let Some(number) = sample.number {
                    let name = at.map(|at| known.name(&at)).unwrap_or_default();
                    samples.push(format!("{name}{number:08x}"));
                }
                if let Some(written) = sample.written {
                    known.compare(&written);
                }
            }
            (None, None) => return None,
            (None, Some(at)) => known.unreadable.push(at),
        }
        target = known.choose_next();
        if target.is_none() {
            return Some(Traced {
                shape: known.shape(&mut Path::new()),
                samples: samples.join(" "),
                by_hand: known.named(&known.by_hand),
                written_by_hand: known.named(&known.written_by_hand),
            });
        }
    }
}

impl Tracing {
    /// Prepares an attempt to read a value of a type.
    fn begin(&mut self, ty: &'static str) {
        self.last = None;
        self.types = BTreeMap::from([(Path::new(), vec![ty])]);
        self.fed = Values::default();
    }

    /// Records the places where a sample is written otherwise than it was read.
    fn compare(&mut self, written: &Written) {
        let functions = written.functions.iter();
        let functions = functions.filter_map(|path| self.owner(path).and(Some(path)));
        let differences = self.fed.differences(&written.values);
        let differences = differences.filter_map(|path| self.owner(path));
        let places: Vec<Path> = functions.chain(differences).cloned().collect();
        self.written_by_hand.extend(places);
    }

    /// The place of the program's own type that reads and writes a place; `None` if a type of another crate
    /// does.
    fn owner<'a>(&'a self, path: &Path) -> Option<&'a Path> {
        let around = self.types.range(..=path.clone()).rev();
        let mut around = around.filter(|(of, _)| path.starts_with(of));
        let (path, ty) = around.find_map(|(path, types)| {
            let ty = types.iter().rev().find(|ty| !by_hand::is_plain(ty))?;
            Some((path, ty))
        })?;
        by_hand::is_of(&self.own, ty).then_some(path)
    }

    /// Places, with their names.
    fn named(&self, places: &BTreeSet<Path>) -> Vec<(Path, String)> {
        let places = places.iter();
        places
            .map(|path| (path.clone(), self.place(path)))
            .collect()
    }

    /// Makes the next attempt use a different value for the refused one.
    fn try_else(&mut self) -> bool {
        let Some(last) = self.last.take() else {
            return false;
        };
        let attempt = self.attempts.entry(last).or_default();
        *attempt += 1;
        *attempt < 64
    }

    /// Chooses a variant that is not known yet; for all other enums the first.
    fn choose_next(&mut self) -> Option<(Path, u32)> {
        let enums = self.nodes.iter().filter_map(|(path, node)| match node {
            Node::Enum(variants) => Some((path, variants.len() as u32)),
            _ => None,
        });
        let variants = enums.flat_map(|(path, count)| (0..count).map(move |it| (path, it)));
        let (path, variant) = variants.into_iter().find(|(path, variant)| {
            let at = inside(path, *variant);
            let is_unreadable = |(other, number): &(Path, u32)| other == *path && number == variant;
            !self.nodes.contains_key(&at) && !self.unreadable.iter().any(is_unreadable)
        })?;
        let path = path.clone();
        self.chosen.clear();
        for end in 0..path.len() {
            let (around, rest) = path.split_at(end);
            if matches!(self.nodes.get(around), Some(Node::Enum(_))) {
                self.chosen.insert(around.to_vec(), rest[0]);
            }
        }
        self.chosen.insert(path.clone(), variant);
        Some((path, variant))
    }

    /// The names of the variants on the way to one.
    fn name(&self, (path, variant): &(Path, u32)) -> String {
        let mut name = String::new();
        let path = inside(path, *variant);
        for end in 0..path.len() {
            let (around, rest) = path.split_at(end);
            match self.nodes.get(around) {
                Some(Node::Enum(variants)) => {
                    name.push_str(&word(variants.get(rest[0] as usize).unwrap_or(&"")));
                    name.push('=');
                }
                Some(Node::Option | Node::List) | None => {}
                Some(_) => name.push_str(&format!("{}.", rest[0])),
            }
        }
        name
    }

    /// The names on the way to a place; `*` for all of it.
    fn place(&self, path: &Path) -> String {
        let names = (0..path.len()).filter_map(|end| {
            let (around, rest) = path.split_at(end);
            let part = rest[0];
            match self.nodes.get(around)? {
                Node::Struct(names) | Node::Enum(names) => {
                    names.get(part as usize).map(|name| word(name))
                }
                Node::Tuple(_) => Some(part.to_string()),
                Node::Map => Some(["key", "value"].get(part as usize)?.to_string()),
                Node::Option | Node::List | Node::Leaf(_) | Node::Again(_) => None,
            }
        });
        let names: Vec<String> = names.collect();
        match names.is_empty() {
            true => "*".to_owned(),
            false => names.join("."),
        }
    }

    /// The text of a place's content.
    fn shape(&self, path: &mut Path) -> String {
        let Some(node) = self.nodes.get(path) else {
            // A variant that cannot be read.
            return "-".to_owned();
        };
        let mut part = |number: u32| {
            path.push(number);
            let shape = self.shape(path);
            path.pop();
            shape
        };
        match node {
            Node::Leaf(name) => (*name).to_owned(),
            Node::Option => format!("option({})", part(0)),
            Node::List => format!("list({})", part(0)),
            Node::Map => format!("map({}, {})", part(0), part(1)),
            Node::Tuple(count) => {
                let parts: Vec<_> = (0..*count as u32).map(part).collect();
                format!("({})", parts.join(", "))
            }
            Node::Struct(names) => {
                let fields = (0..).zip(*names);
                let fields: Vec<_> = fields
                    .map(|(number, name)| format!("{}: {}", word(name), part(number)))
                    .collect();
                format!("{{{}}}", fields.join(", "))
            }
            Node::Enum(names) => {
                let variants = (0..).zip(*names);
                let variants: Vec<_> = variants
                    .map(|(number, name)| match part(number).as_str() {
                        "()" => word(name),
                        content if content.starts_with(['(', '{']) => {
                            format!("{}{content}", word(name))
                        }
                        content => format!("{}({content})", word(name)),
                    })
                    .collect();
                format!("<{}>", variants.join(" | "))
            }
            Node::Again(levels) => format!("again({levels})"),
        }
    }
}

/// The place of a part.
pub(super) fn inside(path: &[u32], part: u32) -> Path {
    let mut path = path.to_vec();
    path.push(part);
    path
}

/// A name without the characters of the notation of shapes.
fn word(name: &str) -> String {
    let mark = |c: char| c.is_whitespace() || c.is_control() || "<>|(){},:=".contains(c);
    name.replace(mark, "_")
}
