//! W1: how often does each word of a text occur. A word is a run of ASCII letters and digits, in lower
//! case. The counts are put out once, at the end of the text.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;

use crate::mix::splitmix;

/// The size of the text that W1 is run over.
pub const TEXT_BYTES: u64 = 200_000_000;

const VOCABULARY: u64 = 200_000;

/// The word of a rank, from 0 for the most frequent. Frequent words are short, as in prose. Some ranks
/// share a spelling, which does no harm.
fn spelling(rank: u64) -> Vec<u8> {
    const LETTERS: &[u8; 26] = b"etaoinshrdlcumwfgypbvkjxqz";
    let length = 2 + u64::from((rank + 1).ilog2() + 1) / 2 + splitmix(rank) % 3;
    let states = std::iter::successors(Some(splitmix(rank ^ 0xABCD)), |state| {
        Some(splitmix(*state))
    });
    states
        .take(length as usize)
        .map(|state| LETTERS[(state % 26) as usize])
        .collect()
}

/// Writes whole lines of text until there are at least `bytes` of it. Words follow a Zipf distribution
/// with exponent 1; a line is a sentence of 6 to 14 of them with some commas. The same size is always
/// the same text.
pub fn write_text(bytes: u64, out: &mut impl Write) -> io::Result<()> {
    let vocabulary: Vec<_> = (0..VOCABULARY).map(spelling).collect();
    let mut weight = 0.0;
    let cumulative: Vec<f64> = (1..=VOCABULARY)
        .map(|rank| {
            weight += 1.0 / rank as f64;
            weight
        })
        .collect();

    let (mut written, mut drawn) = (0, 0);
    let mut line = Vec::new();
    while written < bytes {
        line.clear();
        let length = 6 + splitmix(drawn ^ 0x77) % 9;
        for place in 1..=length {
            // 53 random bits make a number in 0..1, which is looked up in the cumulative weights
            let unit = (splitmix(drawn) >> 11) as f64 / (1u64 << 53) as f64;
            drawn += 1;
            let rank = cumulative.partition_point(|bound| *bound < unit * weight);
            line.extend_from_slice(&vocabulary[rank.min(vocabulary.len() - 1)]);
            match place {
                _ if place == length => line.extend_from_slice(b".\n"),
                _ if drawn % 13 == 0 => line.extend_from_slice(b", "),
                _ => line.push(b' '),
            }
        }
        line[0].make_ascii_uppercase();
        out.write_all(&line)?;
        written += line.len() as u64;
    }
    out.flush()
}

/// The words of a line as most users would get them: each an owned string.
pub fn words_of(line: &str) -> Vec<String> {
    line.to_ascii_lowercase()
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(String::from)
        .collect()
}

/// Shows each word of a line to `see`, in `word`, which is used for all of them.
#[inline]
pub fn each_word(line: &[u8], word: &mut Vec<u8>, mut see: impl FnMut(&[u8])) {
    word.clear();
    for &byte in line {
        if byte.is_ascii_alphanumeric() {
            word.push(byte.to_ascii_lowercase());
        } else if !word.is_empty() {
            see(word);
            word.clear();
        }
    }
    if !word.is_empty() {
        see(word);
    }
}

/// The lines of one of `parts` stretches of a file, about equal in bytes. A line is in the stretch that
/// it begins in.
#[derive(Debug)]
pub struct Lines {
    reader: BufReader<File>,
    /// How many bytes of the stretch are not read yet. The last line may go beyond its end.
    left: u64,
}

impl Lines {
    /// Opens the file and moves to the first line that begins in stretch number `part`.
    pub fn open(path: &Path, part: usize, parts: usize) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let bound = |part: usize| length * part as u64 / parts as u64;
        let (mut position, end) = (bound(part), bound(part + 1));
        // from the byte before, which says whether a line begins right at the bound
        let inside = position > 0;
        file.seek(SeekFrom::Start(position - u64::from(inside)))?;
        let mut reader = BufReader::with_capacity(256 << 10, file);
        if inside {
            position += reader.skip_until(b'\n')? as u64 - 1;
        }
        Ok(Lines {
            reader,
            left: end.saturating_sub(position),
        })
    }
}

impl Iterator for Lines {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if self.left == 0 {
            return None;
        }
        let mut line = String::new();
        let read = self
            .reader
            .read_line(&mut line)
            .expect("the text can be read");
        if read == 0 {
            return None;
        }
        self.left = self.left.saturating_sub(read as u64);
        if line.ends_with('\n') {
            line.pop();
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_in_one_stretch() -> io::Result<()> {
        let text = "one\ntwo two\n\nthree\nlast, without an end";
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(text.as_bytes())?;
        for parts in 1..=text.len() + 1 {
            let mut lines = Vec::new();
            for part in 0..parts {
                lines.extend(Lines::open(file.path(), part, parts)?);
            }
            assert_eq!(lines, text.split('\n').collect::<Vec<_>>(), "{parts} parts");
        }
        Ok(())
    }

    #[test]
    fn both_tokenizers_find_the_same_words() {
        let line = "It's 2 o'clock, -- SAY it: zwölf";
        let mut seen = Vec::new();
        each_word(line.as_bytes(), &mut Vec::new(), |word| {
            seen.push(String::from_utf8_lossy(word).into_owned());
        });
        assert_eq!(seen, words_of(line));
        assert_eq!(
            seen,
            ["it", "s", "2", "o", "clock", "say", "it", "zw", "lf"]
        );
    }
}
