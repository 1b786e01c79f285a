//! The values of a trace. They depend only on their place, so that a sample does not change when its type
//! gains other parts.

/// Texts from which types that are saved as text can be parsed.
const TEXTS: [&str; 14] = [
    "2001-02-03T04:05:06Z",
    "2001-02-03",
    "04:05:06",
    "2001-02-03T04:05:06",
    "127.0.0.1",
    "::1",
    "127.0.0.1:80",
    "[::1]:80",
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "7",
    "1.5",
    "https://example.com/",
    "UTC",
    "PT1S",
];

/// The number of a place, from 1 to 100.
pub(super) fn number(path: &[u32]) -> u8 {
    let number = path.iter().fold(7_u32, |number, step| {
        number.wrapping_mul(31).wrapping_add(*step)
    });
    (number % 100) as u8 + 1
}

/// The text of a place; a different one for each attempt, until none are left.
pub(super) fn text(path: &[u32], attempt: usize) -> Option<String> {
    match attempt.checked_sub(1) {
        None => Some(format!("k{}", number(path))),
        Some(attempt) => TEXTS.get(attempt).map(ToString::to_string),
    }
}
