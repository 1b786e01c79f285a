//! Check sums that do not depend on the order of the output, nor on how it was spread over workers.

use std::fmt;

use crate::mix::fnv1a;

/// A sum that each worker keeps for itself and that is put together at the end.
pub trait Check: Default + Send + fmt::Display + 'static {
    /// Takes in what another worker has seen.
    fn merge(&mut self, other: Self);
}

/// Check of W1, over the final counts: `words/occurrences/sum`, the last in hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WordCheck {
    words: u64,
    occurrences: u64,
    sum: u64,
}

impl WordCheck {
    /// Takes in one word and how often it occurs in the whole input.
    pub fn add(&mut self, word: &[u8], count: u64) {
        self.words += 1;
        self.occurrences += count;
        self.sum = self.sum.wrapping_add(fnv1a(word).wrapping_mul(count));
    }

    /// The number of items that the workload had, which only its result tells, and the check.
    pub fn counted(&self) -> (u64, String) {
        (self.occurrences, self.to_string())
    }
}

impl Check for WordCheck {
    fn merge(&mut self, other: Self) {
        self.words += other.words;
        self.occurrences += other.occurrences;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

impl fmt::Display for WordCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{:016x}", self.words, self.occurrences, self.sum)
    }
}

/// Check of W2 and W3, over each item of the output: `items/sum`, the last in hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamCheck {
    items: u64,
    sum: u64,
}

impl StreamCheck {
    /// Takes in an item of W2.
    #[inline(always)]
    pub fn add(&mut self, item: u64) {
        self.items += 1;
        self.sum = self.sum.wrapping_add(item);
    }

    /// Takes in a whole batch of W2, which leaves the compiler free to add several items at once.
    #[inline(always)]
    pub fn add_all(&mut self, items: &[u64]) {
        self.items += items.len() as u64;
        self.sum = items
            .iter()
            .fold(self.sum, |sum, item| sum.wrapping_add(*item));
    }

    /// Takes in a mean and a maximum of W3. Both are exact, so rounding down loses the same bits in
    /// every program.
    #[inline(always)]
    pub fn add_running(&mut self, mean: f64, max: f64) {
        self.add((mean * 1024.0) as u64 + (max * 256.0) as u64);
    }
}

impl Check for StreamCheck {
    fn merge(&mut self, other: Self) {
        self.items += other.items;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

impl fmt::Display for StreamCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:016x}", self.items, self.sum)
    }
}
