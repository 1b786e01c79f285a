//! The text of a type, independent of the compiler and of spacing.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::Type;

/// The text of a field's type, and whether it names the item that contains the field, which the text calls
/// `Self`.
pub(super) fn of_type(ty: &Type, item: &Ident) -> (String, bool) {
    let mut text = Text {
        item,
        out: String::new(),
        recursive: false,
    };
    text.add(ty.to_token_stream());
    (text.out, text.recursive)
}

struct Text<'a> {
    item: &'a Ident,
    out: String,
    recursive: bool,
}

impl Text<'_> {
    fn add(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => {
                    let (open, close) = match group.delimiter() {
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Brace => ("{", "}"),
                        Delimiter::Bracket => ("[", "]"),
                        Delimiter::None => ("", ""),
                    };
                    self.out.push_str(open);
                    self.add(group.stream());
                    self.out.push_str(close);
                }
                TokenTree::Ident(ident) if ident == *self.item || ident == "Self" => {
                    self.recursive = true;
                    self.word("Self");
                }
                TokenTree::Ident(ident) => self.word(&ident.to_string()),
                TokenTree::Literal(literal) => self.word(&literal.to_string()),
                TokenTree::Punct(punct) => self.out.push(punct.as_char()),
            }
        }
    }

    /// Adds a word, separated from a preceding one.
    fn word(&mut self, word: &str) {
        let after_word = |c: char| c.is_alphanumeric() || c == '_';
        if self.out.ends_with(after_word) {
            self.out.push(' ');
        }
        self.out.push_str(word);
    }
}

#[cfg(test)]
mod tests {
    use super::of_type;

    #[track_caller]
    fn check(ty: &str, text: &str, recursive: bool) {
        let ty = syn::parse_str(ty).expect("a type");
        let item = syn::parse_str("Tree").expect("a name");
        assert_eq!(of_type(&ty, &item), (text.to_owned(), recursive));
    }

    #[test]
    fn spaces_do_not_count() {
        check("Map < String ,Vec<u8> >", "Map<String,Vec<u8>>", false);
        check(
            "Box<dyn Fn(u8)->u8+Send>",
            "Box<dyn Fn(u8)->u8+Send>",
            false,
        );
        check("[ u8 ; 4 ]", "[u8;4]", false);
        check("Cow<'static, str>", "Cow<'static,str>", false);
    }

    #[test]
    fn the_item_itself_has_no_name() {
        check("Vec<Tree>", "Vec<Self>", true);
        check("Option<Box<Self>>", "Option<Box<Self>>", true);
    }
}
