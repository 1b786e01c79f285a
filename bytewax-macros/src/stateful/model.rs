//! The item and its saved parts.

use quote::ToTokens;
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Expr, ExprLit, Field, Fields, Generics, Ident, Item, ItemEnum, ItemStruct, Lit,
    Meta, Path, Token, Type,
};

use super::text;

/// The item, and its fields in the order of saving.
pub(super) struct Model {
    pub(super) item: Item,
    pub(super) ident: Ident,
    pub(super) generics: Generics,
    pub(super) entries: Vec<Entry>,
    /// The possible numbers of entries in older versions; the last is all of them.
    pub(super) prefixes: Vec<usize>,
    /// The serde attributes that saved state cannot have.
    pub(super) refused: Vec<Refused>,
    /// The attributes with functions that read or write saved data.
    pub(super) by_hand: Vec<Path>,
}

/// An invalid word in `#[serde(..)]`, with the reason and the fix.
pub(super) struct Refused {
    pub(super) word: Path,
    pub(super) why: &'static str,
    pub(super) mend: &'static str,
}

/// A field or a variant.
pub(super) enum Entry {
    Variant(String),
    Field {
        name: String,
        /// The text of the type.
        text: String,
        /// The type, if it is saved in its own form.
        known: Option<Box<Type>>,
    },
}

impl Model {
    pub(super) fn of_struct(item: ItemStruct) -> Self {
        let mut model = Self::new(&item.ident, &item.generics);
        let container = model.serde_words(&item.attrs);
        model.note_conversions(&container);
        let all_default = container.iter().any(|word| word.is_ident("default"));
        // The place after the last field that has no default.
        let mut required = 0;
        for (place, field) in item.fields.iter().enumerate() {
            let name = name_of(place, field);
            let words = model.serde_words(&field.attrs);
            if !model.add_field(name, field, &words) {
                continue;
            }
            let default = all_default || words.iter().any(|word| word.is_ident("default"));
            if !default {
                required = model.entries.len();
            }
        }
        model.prefixes = (required..=model.entries.len()).collect();
        model.item = Item::Struct(item);
        model
    }

    pub(super) fn of_enum(item: ItemEnum) -> Self {
        let mut model = Self::new(&item.ident, &item.generics);
        let container = model.serde_words(&item.attrs);
        model.note_conversions(&container);
        for variant in &item.variants {
            let words = model.serde_words(&variant.attrs);
            model.note_functions(&words);
            if let Some(skip) = words.iter().find(|word| word.is_ident("skip")) {
                model.refused.push(Refused {
                    word: skip.clone(),
                    why: "where the index of a variant identifies it",
                    mend: "let the variant be saved like the others",
                });
            }
            let own = || variant.ident.unraw().to_string();
            let name = renamed(&variant.attrs).unwrap_or_else(own);
            model.entries.push(Entry::Variant(name.clone()));
            model.add_fields_of_variant(&name, &variant.fields);
            model.prefixes.push(model.entries.len());
        }
        model.item = Item::Enum(item);
        model
    }

    fn new(ident: &Ident, generics: &Generics) -> Self {
        Self {
            item: Item::Verbatim(proc_macro2::TokenStream::new()),
            ident: ident.clone(),
            generics: generics.clone(),
            entries: Vec::new(),
            prefixes: Vec::new(),
            refused: Vec::new(),
            by_hand: Vec::new(),
        }
    }

    /// Records functions that read or write a field or a variant.
    fn note_functions(&mut self, words: &[Path]) {
        self.note_words(words, &["with", "serialize_with", "deserialize_with"]);
    }

    /// Records that the type is saved as another one.
    fn note_conversions(&mut self, words: &[Path]) {
        self.note_words(words, &["from", "try_from", "into"]);
    }

    fn note_words(&mut self, words: &[Path], names: &[&str]) {
        let is_one = |word: &&Path| names.iter().any(|name| word.is_ident(name));
        self.by_hand.extend(words.iter().filter(is_one).cloned());
    }

    fn add_fields_of_variant(&mut self, variant: &str, fields: &Fields) {
        for (place, field) in fields.iter().enumerate() {
            let name = name_of(place, field);
            let words = self.serde_words(&field.attrs);
            self.add_field(format!("{variant}.{name}"), field, &words);
        }
    }

    /// Adds a field, unless serde skips it.
    fn add_field(&mut self, name: String, field: &Field, words: &[Path]) -> bool {
        if words.iter().any(|word| word.is_ident("skip")) {
            return false;
        }
        self.note_functions(words);
        let (mut text, recursive) = text::of_type(&field.ty, &self.ident);
        let by_hand = words.iter().any(|word| {
            ["with", "serialize_with", "from", "into"]
                .iter()
                .any(|w| word.is_ident(w))
        });
        if by_hand {
            text.push_str(" by hand");
        }
        let known = (!recursive && !by_hand).then(|| Box::new(field.ty.clone()));
        self.entries.push(Entry::Field { name, text, known });
        true
    }

    /// The words in `#[serde(..)]`; records the invalid ones.
    fn serde_words(&mut self, attributes: &[Attribute]) -> Vec<Path> {
        let words = serde_words(attributes);
        for word in &words {
            if let Some(mend) = mend(word) {
                let why = "which contains no field names";
                self.refused.push(Refused {
                    word: word.clone(),
                    why,
                    mend,
                });
            }
        }
        words
    }
}

/// The words in `#[serde(..)]`, without their values.
pub(super) fn serde_words(attributes: &[Attribute]) -> Vec<Path> {
    serde_metas(attributes)
        .iter()
        .map(|meta| meta.path().clone())
        .collect()
}

fn serde_metas(attributes: &[Attribute]) -> Vec<Meta> {
    let list = Punctuated::<Meta, Token![,]>::parse_terminated;
    let ours = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("serde"));
    // Serde reports what does not parse.
    ours.filter_map(|attribute| attribute.parse_args_with(list).ok())
        .flatten()
        .collect()
}

/// Whether the item derives a trait of this name.
pub(super) fn derives(attributes: &[Attribute], name: &str) -> bool {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("derive"))
        .any(|attribute| {
            let list = Punctuated::<Path, Token![,]>::parse_terminated;
            let paths = attribute.parse_args_with(list).unwrap_or_default();
            paths
                .iter()
                .any(|path| path.segments.last().is_some_and(|last| last.ident == name))
        })
}

/// The alternative to a word that saved state cannot have.
fn mend(word: &Path) -> Option<&'static str> {
    let text = word.to_token_stream().to_string();
    match text.as_str() {
        "flatten" => Some("write the fields out, or keep the struct as one field"),
        "tag" | "content" | "untagged" => {
            Some("the index of the variant is saved instead; remove the attribute")
        }
        "skip_serializing_if" | "skip_serializing" | "skip_deserializing" => {
            Some("save the field always, or never, by `#[serde(skip)]`")
        }
        _ => None,
    }
}

/// The saved name of a field.
fn name_of(place: usize, field: &Field) -> String {
    let own = || field.ident.as_ref().map(|ident| ident.unraw().to_string());
    renamed(&field.attrs)
        .or_else(own)
        .unwrap_or_else(|| place.to_string())
}

/// The text in `#[serde(rename = "..")]`.
fn renamed(attributes: &[Attribute]) -> Option<String> {
    serde_metas(attributes)
        .into_iter()
        .find_map(|meta| match meta {
            Meta::NameValue(pair) if pair.path.is_ident("rename") => match pair.value {
                Expr::Lit(ExprLit {
                    lit: Lit::Str(text),
                    ..
                }) => Some(text.value()),
                _ => None,
            },
            _ => None,
        })
}
