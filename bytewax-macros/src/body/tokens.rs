//! A hash of tokens that is independent of line breaks.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The hash of an operator's arguments.
pub(crate) fn hash(tokens: &TokenStream) -> u32 {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    hash.tokens(tokens.clone());
    (hash.0 ^ (hash.0 >> 32)) as u32
}

/// FNV-1a of 64 bits.
struct Fnv(u64);

impl Fnv {
    fn tokens(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Group(group) => {
                    self.text(match group.delimiter() {
                        Delimiter::Parenthesis => "(",
                        Delimiter::Brace => "{",
                        Delimiter::Bracket => "[",
                        Delimiter::None => "",
                    });
                    self.tokens(group.stream());
                    self.text(")");
                }
                // Formatting adds and removes the comma after the last of several.
                TokenTree::Punct(punct) if punct.as_char() == ',' && tokens.peek().is_none() => {}
                other => self.text(&other.to_string()),
            }
        }
    }

    fn text(&mut self, text: &str) {
        for byte in text.bytes().chain([0xff]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn counts_tokens_and_no_lines() {
        let of = |text: &str| hash(&text.parse().expect("balanced tokens"));
        assert_eq!(of("|a, b| f(a, b)"), of("|a, b| f(\n    a,\n    b,\n)"));
        assert_ne!(of("|a, b| f(a, b)"), of("|a, b| f(b, a)"));
        assert_ne!(of("f(a, b)"), of("f(a), b"));
        assert_ne!(of("ab"), of("a b"));
        // This value must never change: lock files and stores contain it.
        assert_eq!(of("|sum: &mut u64, n| *sum + n"), 0x868b_7859);
    }
}
