//! The token that authorises clients to stop a run or save its state.

use std::fmt;
use std::str::FromStr;

/// The minimum length, so that the token cannot be guessed.
const LEAST: usize = 16;

/// A secret text, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl FromStr for Token {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() >= LEAST && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "a token needs at least {LEAST} characters: ASCII letters, digits and punctuation, without spaces"
        ))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// Compares the token in constant time.
    #[cfg(feature = "serve")]
    pub(super) fn is(&self, given: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let differ = own
            .iter()
            .zip(given)
            .fold(0, |all, (one, other)| all | (one ^ other));
        std::hint::black_box(differ) == 0 && own.len() == given.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_never_shown() {
        let token: Token = "0123456789abcdef".parse().unwrap();
        assert_eq!(format!("{token:?}"), "Token");
        for text in ["", "short", "0123456789 abcdef", "0123456789\u{e9}abcdef"] {
            assert!(text.parse::<Token>().is_err(), "{text}");
        }
        #[cfg(feature = "serve")]
        for (given, is) in [
            ("0123456789abcdef", true),
            ("0123456789abcdeg", false),
            ("0123456789abcde", false),
            ("0123456789abcdef0", false),
            ("", false),
        ] {
            assert_eq!(token.is(given.as_bytes()), is, "{given}");
        }
    }
}
