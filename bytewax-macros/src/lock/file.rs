//! The lines of the lock file.

use std::collections::HashMap;
use std::path::Path;

use syn::parse::{Parse, ParseStream};
use syn::{Ident, Lit, LitInt, LitStr, Token, braced};

use crate::registry::Kind;

const NAME: &str = "dataflow.lock";

/// A lock file, as far as it could be read.
#[derive(Debug, Default)]
pub(crate) struct File {
    /// Where it is.
    pub(crate) path: String,
    flows: HashMap<String, Vec<Entry>>,
    /// The line that could not be read, and why.
    pub(crate) fault: Option<(usize, String)>,
}

/// A step as it is locked.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// Its name within the flow.
    pub(crate) name: String,
    /// What it is; none for one that was dropped.
    pub(crate) kind: Option<Kind>,
    pub(crate) operator: String,
    pub(crate) state: Option<Locked>,
    /// What else its state means, by name.
    pub(crate) facts: HashMap<String, String>,
}

/// The type of what a step saves.
#[derive(Debug, Default)]
pub(crate) struct Locked {
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) fingerprint: u64,
}

/// The lock file of the package that is compiled, if it has one.
pub(crate) fn of_package() -> Option<File> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR")?;
    let path = Path::new(&package).join(NAME);
    let text = std::fs::read_to_string(&path).ok()?;
    Some(File::read(&path.display().to_string(), &text))
}

impl File {
    pub(crate) fn read(path: &str, text: &str) -> Self {
        let mut file = Self {
            path: path.to_owned(),
            ..Self::default()
        };
        let mut flow: Option<&mut Vec<Entry>> = None;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let header = line.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
            match (header, &mut flow) {
                (Some(name), _) => flow = Some(file.flows.entry(name.to_owned()).or_default()),
                (None, Some(flow)) => match syn::parse_str(line) {
                    Ok(entry) => flow.push(entry),
                    Err(error) => {
                        file.fault = Some((number + 1, why(line, &error)));
                        break;
                    }
                },
                (None, None) => {
                    let why = "it stands before the name of any flow".to_owned();
                    file.fault = Some((number + 1, why));
                    break;
                }
            }
        }
        file
    }

    /// The steps of a flow; none for a flow that is not locked.
    pub(crate) fn flow(&self, name: &str) -> Option<&[Entry]> {
        self.flows.get(name).map(Vec::as_slice)
    }
}

fn why(line: &str, error: &syn::Error) -> String {
    let is_conflict = ["<<<<<<<", "=======", ">>>>>>>"]
        .iter()
        .any(|mark| line.starts_with(mark));
    match is_conflict {
        true => "it is the mark of a conflict between two changes".to_owned(),
        false => error.to_string(),
    }
}

/// `"name" = { kind = "..", .. }`
impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut entry = Entry {
            name: input.parse::<LitStr>()?.value(),
            ..Entry::default()
        };
        let mut state = Locked::default();
        input.parse::<Token![=]>()?;
        let inside;
        braced!(inside in input);
        while !inside.is_empty() {
            let word: Ident = inside.parse()?;
            inside.parse::<Token![=]>()?;
            match word.to_string().as_str() {
                "kind" => entry.kind = kind(&inside.parse()?)?,
                "operator" => entry.operator = inside.parse::<LitStr>()?.value(),
                "state" => state.name = inside.parse::<LitStr>()?.value(),
                "version" => state.version = inside.parse::<LitInt>()?.base10_parse()?,
                "fingerprint" => state.fingerprint = fingerprint(&inside.parse()?)?,
                "why" => drop(inside.parse::<LitStr>()?),
                // A later release may say more.
                word => {
                    if let Lit::Str(text) = inside.parse()? {
                        entry.facts.insert(word.to_owned(), text.value());
                    }
                }
            }
            if !inside.is_empty() {
                inside.parse::<Token![,]>()?;
            }
        }
        entry.state = (state.version > 0).then_some(state);
        Ok(entry)
    }
}

fn kind(text: &LitStr) -> syn::Result<Option<Kind>> {
    match text.value().as_str() {
        "source" => Ok(Some(Kind::Source)),
        "sink" => Ok(Some(Kind::Sink)),
        "stateful" => Ok(Some(Kind::Stateful)),
        "dropped" => Ok(None),
        other => {
            let fault = format!("`{other}` is no kind of step");
            Err(syn::Error::new_spanned(text, fault))
        }
    }
}

fn fingerprint(text: &LitStr) -> syn::Result<u64> {
    let wrong = |_| syn::Error::new_spanned(text, "expected 16 hexadecimal digits");
    u64::from_str_radix(&text.value(), 16).map_err(wrong)
}
