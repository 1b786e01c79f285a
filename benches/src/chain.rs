//! W2: a chain of stateless steps over `u64`, `map`, `filter`, `map`, `flat_map`, `sum`. There is
//! next to no work in it, so it shows what an engine costs per item and step.

/// The inputs of one of `parts` partitions of `0..n`: every `parts`-th number from `part` on. Counted up
/// by one inside, which the compiler vectorizes where it does not do so with `step_by`.
pub fn inputs(part: usize, parts: usize, n: u64) -> impl Iterator<Item = u64> + use<> {
    let (first, step) = (part as u64, parts as u64);
    (0..n.saturating_sub(first).div_ceil(step)).map(move |i| first + step * i)
}

/// The first `map`: spreads the input over 32 bits.
#[inline(always)]
pub fn spread(x: u64) -> u64 {
    x.wrapping_mul(2_654_435_761).wrapping_add(12_345) & u64::from(u32::MAX)
}

/// The `filter`: lets three of four pass.
#[inline(always)]
pub fn keep(x: &u64) -> bool {
    !x.is_multiple_of(4)
}

/// The second `map`: folds high bits onto low ones.
#[inline(always)]
pub fn fold(x: u64) -> u64 {
    x ^ (x >> 13)
}

/// The `flat_map`: the item itself, and for an odd one a second item. `once` and not an array, with
/// which a `for` over the items is three times as slow.
#[inline(always)]
pub fn expand(x: u64) -> impl Iterator<Item = u64> {
    let extra = (x % 2 == 1).then(|| (x * 5 + 1) & u64::from(u32::MAX));
    std::iter::once(x).chain(extra)
}
