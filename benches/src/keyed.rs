//! W3: a running mean and maximum per key, one output for each event. The key is an owned `String`,
//! there are 100,000 of them, and each event goes to the worker that has its key.

use serde::{Deserialize, Serialize};

use crate::mix::splitmix;

/// The number of keys.
pub const KEYS: u64 = 100_000;

/// The most workers for which the result is defined. Even events have even keys and odd events odd
/// ones, so with one or two partitions no key has events in both and the order per key is fixed.
pub const MAX_WORKERS: usize = 2;

/// Space for the text of any key.
pub type KeyText = [u8; 13];

/// Event number `i`: its key and its value. Values are multiples of 1/256 below 256, so that sums of
/// them are exact.
#[inline(always)]
pub fn event(i: u64) -> (u32, f64) {
    let random = splitmix(i);
    let key = 2 * (random % (KEYS / 2)) + i % 2;
    let value = (random >> 40) & 0xFFFF;
    (key as u32, value as f64 / 256.0)
}

/// The events of one of `parts` partitions, with their keys as a source would make them.
pub fn events(part: usize, parts: usize, n: u64) -> impl Iterator<Item = (String, f64)> + use<> {
    (part as u64..n).step_by(parts).map(|i| {
        let (key, value) = event(i);
        (key_text(key, &mut KeyText::default()).to_owned(), value)
    })
}

/// Writes `key` and its number in at least six digits. By hand: `format!` would be most of the source's
/// time.
#[inline]
pub fn key_text(key: u32, text: &mut KeyText) -> &str {
    let digits = if key < 1_000_000 {
        6
    } else {
        key.ilog10() as usize + 1
    };
    let (prefix, number) = text.split_at_mut(3);
    prefix.copy_from_slice(b"key");
    let mut rest = key;
    for digit in number[..digits].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    std::str::from_utf8(&text[..3 + digits]).expect("only ASCII was written")
}

/// The state of one key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Running {
    count: u64,
    sum: f64,
    max: f64,
}

impl Running {
    /// Takes in a value; the mean and the maximum from now on.
    #[inline(always)]
    pub fn push(&mut self, value: f64) -> (f64, f64) {
        self.count += 1;
        self.sum += value;
        self.max = if value > self.max { value } else { self.max };
        (self.sum / self.count as f64, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_six_digits_or_as_many_as_they_need() {
        for (key, text) in [
            (0, "key000000"),
            (99_999, "key099999"),
            (u32::MAX, "key4294967295"),
        ] {
            assert_eq!(key_text(key, &mut KeyText::default()), text);
        }
        assert_eq!(key_text(1_000_000, &mut KeyText::default()), "key1000000");
    }

    #[test]
    fn partitions_share_no_key() {
        assert!((0..10_000).all(|i| u64::from(event(i).0 % 2) == i % 2));
    }
}
