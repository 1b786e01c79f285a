//! W2: a chain of stateless steps over `u64`, `map`, `filter`, `map`, `flat_map`, `sum`. There is
//! next to no work in it, so it shows what an engine costs per item and step.

/// The inputs of one of `parts` partitions of `0..n`: every `parts`-th number from `part` on.
pub fn inputs(part: usize, parts: usize, n: u64) -> impl Iterator<Item = u64> + use<> {
    (part as u64..n).step_by(parts)
}

/// The first `map`: spreads the input over 32 bits.
#[inline(always)]
pub fn spread(x: u64) -> u64 {
    x.wrapping_mul(2_654_435_761).wrapping_add(12_345) & u64::from(u32::MAX)
}

/// The `filter`: lets three of four pass.
#[inline(always)]
pub fn keep(x: &u64) -> bool {
    x & 3 != 0
}

/// The second `map`: folds high bits onto low ones.
#[inline(always)]
pub fn fold(x: u64) -> u64 {
    x ^ (x >> 13)
}

/// The `flat_map`: the item itself, and for an odd one a second item.
#[inline(always)]
pub fn expand(x: u64) -> impl Iterator<Item = u64> {
    [x].into_iter().chain(second(x))
}

/// What [`expand`] adds to an item, for a program that puts the two together in its own way.
#[inline(always)]
pub fn second(x: u64) -> Option<u64> {
    if x & 1 == 1 {
        Some((5 * x + 1) & u64::from(u32::MAX))
    } else {
        None
    }
}
