//! Properties of the state of a step beyond its type: named facts, such as `windower = tumbling 10s`.
//!
//! The store and the lock file record them. If the facts of a step differ from those saved under its id, the
//! step is refused. The texts can be computed in a `const`, so that the compiler can compare them too.

use std::fmt;

use super::shape;

/// The operator of a step.
pub(crate) const OPERATOR: &str = "operator";
/// The shape of its keys.
pub(crate) const KEY: &str = "key";
/// Hashes of sample keys.
pub(crate) const HASH: &str = "hash";
/// The shape of its states or positions.
pub(crate) const SAVED: &str = "saved";

/// The places in it with custom serialization code.
pub(crate) const BY_HAND: &str = "by_hand";
/// The value for none.
pub(crate) const NOTHING: &str = "-";

/// The origin of each of its inputs.
pub(crate) const INPUTS: &str = "inputs";
/// A hash of the text of its arguments.
pub(crate) const ARGUMENTS: &str = "arguments";

/// Hashes of the settings of a source that do not select its input.
pub(crate) const SETTINGS: &str = "settings";

/// Operators whose state is a type of the program, with the same meaning for each of them.
const OF_PROGRAM: [&str; 6] = [
    "scan",
    "stateful",
    "stateful_batch",
    "stateful_batch_with",
    "stateful_map",
    "stateful_with",
];

/// A property of the state of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    /// A word: it is also a key of the lock file.
    pub(crate) name: &'static str,
    /// One line.
    pub(crate) value: String,
}

impl Fact {
    pub(crate) fn new(name: &'static str, value: impl fmt::Display) -> Self {
        Self {
            name,
            value: value.to_string(),
        }
    }
}

impl Fact {
    /// Whether state saved with another value of the fact has the same meaning.
    pub(crate) fn agrees(&self, saved: &str) -> bool {
        agree(self.name, &self.value, saved)
    }
}

/// Whether state saved with another value of a fact has the same meaning.
pub(crate) fn agree(name: &str, now: &str, saved: &str) -> bool {
    now == saved
        || match name {
            OPERATOR => [now, saved].iter().all(|it| OF_PROGRAM.contains(it)),
            KEY | SAVED => shape::reads(now, saved),
            HASH => shape::agree(now, saved),
            INPUTS => !is_exchanged(now, saved),
            // The text of a step's closures does not show their meaning.
            ARGUMENTS | SETTINGS => true,
            _ => false,
        }
}

/// Whether the inputs of a step are the same in another order.
fn is_exchanged(now: &str, saved: &str) -> bool {
    let sorted = |inputs: &'_ str| {
        let mut inputs: Vec<String> = inputs.split(", ").map(ToOwned::to_owned).collect();
        inputs.sort_unstable();
        inputs
    };
    now != saved && sorted(now) == sorted(saved)
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.name, self.value)
    }
}

/// Formats the facts of a step for a store: each on its own line after the text of the type.
pub(crate) fn written(facts: &[Fact]) -> String {
    facts.iter().map(|fact| format!("\n{fact}")).collect()
}

/// Returns the names and values after the text of the type.
pub(crate) fn read(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines()
        .skip(1)
        .filter_map(|line| line.split_once(" = "))
}

/// The maximum length of a [`Text`], in bytes.
const MOST: usize = 256;

/// A short text that can be computed in a `const`. A longer text is truncated.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Text {
    bytes: [u8; MOST],
    len: usize,
}

/// Units of time, each with its microseconds.
const UNITS: [(i64, &str); 5] = [
    (86_400_000_000, "d"),
    (3_600_000_000, "h"),
    (60_000_000, "min"),
    (1_000_000, "s"),
    (1_000, "ms"),
];

impl Text {
    pub(crate) const fn new(text: &str) -> Self {
        let empty = Self {
            bytes: [0; MOST],
            len: 0,
        };
        empty.text(text)
    }

    pub(crate) const fn text(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        let mut i = 0;
        while i < text.len() && self.len < MOST {
            self.bytes[self.len] = text[i];
            self.len += 1;
            i += 1;
        }
        self
    }

    pub(crate) const fn number(self, number: i64) -> Self {
        let sign = if number < 0 { "-" } else { "" };
        self.text(sign).digits(number.unsigned_abs(), 1)
    }

    /// Appends a number with at least this many digits.
    const fn digits(self, mut number: u64, least: usize) -> Self {
        let mut digits = [b'0'; 20];
        let mut first = digits.len();
        while number > 0 || digits.len() - first < least {
            first -= 1;
            digits[first] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        match std::str::from_utf8(digits.split_at(first).1) {
            Ok(digits) => self.text(digits),
            Err(_) => self,
        }
    }

    /// Appends a span of time, in the greatest unit that divides it.
    pub(crate) const fn span(self, micros: i64) -> Self {
        let mut i = 0;
        while i < UNITS.len() {
            let (unit, name) = UNITS[i];
            if micros != 0 && micros % unit == 0 {
                return self.number(micros / unit).text(name);
            }
            i += 1;
        }
        self.number(micros).text("us")
    }

    /// Appends a time in RFC 3339 format.
    pub(crate) const fn time(self, micros: i64) -> Self {
        let (days, rest) = (
            micros.div_euclid(86_400_000_000),
            micros.rem_euclid(86_400_000_000) as u64,
        );
        // Days since the beginning of March 0000: a leap day is then the last of its year.
        let days = days + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        };
        let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };

        let sign = if year < 0 { "-" } else { "" };
        let seconds = rest / 1_000_000;
        let date = self.text(sign).digits(year.unsigned_abs(), 4).text("-");
        let date = date.digits(month as u64, 2).text("-").digits(day as u64, 2);
        let time = date.text("T").digits(seconds / 3_600, 2).text(":");
        let time = time.digits(seconds / 60 % 60, 2).text(":");
        let time = time.digits(seconds % 60, 2);
        match rest % 1_000_000 {
            0 => time.text("Z"),
            micros => time.text(".").digits(micros, 6).text("Z"),
        }
    }

    /// Returns the text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            // The text was cut within a letter.
            Err(_) => "",
        }
    }

    /// Whether it is this text.
    pub(crate) const fn is(&self, other: &str) -> bool {
        let other = other.as_bytes();
        let mut i = 0;
        while i < self.len && i < other.len() && self.bytes[i] == other[i] {
            i += 1;
        }
        i == self.len && i == other.len()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, SecondsFormat};

    use super::*;

    #[test]
    fn facts_come_back_from_the_text_of_a_store() {
        let facts = [
            Fact::new("windower", "tumbling 10s"),
            Fact::new("key", "a = b"),
        ];
        let text = format!("`Total` version 1, fields `sum`{}", written(&facts));
        let read: Vec<_> = read(&text).collect();
        assert_eq!(read, [("windower", "tumbling 10s"), ("key", "a = b")]);
        assert_eq!(super::read("`Total` version 1, fields `a = b`").count(), 0);
    }

    #[test]
    fn spans_have_their_greatest_unit() {
        for (micros, text) in [
            (0, "0us"),
            (1, "1us"),
            (-1_500, "-1500us"),
            (2_000, "2ms"),
            (90_000_000, "90s"),
            (120_000_000, "2min"),
            (3_600_000_000, "1h"),
            (604_800_000_000, "7d"),
            (i64::MAX, "9223372036854775807us"),
            (i64::MIN, "-9223372036854775808us"),
        ] {
            assert_eq!(Text::new("").span(micros).as_str(), text);
        }
    }

    #[test]
    fn times_are_those_of_chrono() {
        let day = 86_400_000_000;
        let days = (-800_000..800_000).step_by(997).map(|days| days * day);
        for micros in days.chain([0, -1, 1, 951_782_400_000_000, 1_234_567_890_123_456]) {
            let date = DateTime::from_timestamp_micros(micros).unwrap();
            let form = if micros % 1_000_000 == 0 {
                SecondsFormat::Secs
            } else {
                SecondsFormat::Micros
            };
            let expected = date.to_rfc3339_opts(form, true);
            assert_eq!(Text::new("").time(micros).as_str(), expected);
        }
    }

    #[test]
    fn a_text_is_compared_in_a_const() {
        const TEXT: Text = Text::new("tumbling ").span(10_000_000);
        const _: () = assert!(TEXT.is("tumbling 10s"));
        assert!(!TEXT.is("tumbling 10"));
        assert!(!TEXT.is("tumbling 10s "));
        assert_eq!(Text::new(&"x".repeat(300)).as_str().len(), MOST);
    }
}
