//! W6: a join of two streams by a `u64` key, one output for each pair. There are a million keys, in each
//! stream in an order that jumps about. For half a round all items wait for the other half of their pair,
//! until the join holds all keys; then it comes for one key after the other.

/// The number of keys. In each stream every key comes once before any comes again.
pub const KEYS: u64 = 1_000_000;

/// Half a round: how far the two halves of a pair are apart, in items of their streams. It is much more
/// than one stream gets ahead of the other on one worker, so that the pairs, and with them the check sum,
/// are fixed.
const APART: u64 = KEYS / 2;

/// The key at a place of a round. The factor shares no divisor with the number of keys, so each key has
/// one place.
#[inline(always)]
fn key(place: u64) -> u64 {
    (place * 611_953 + 271_828) % KEYS
}

/// Item number `i` of the left stream.
#[inline(always)]
pub fn left(i: u64) -> (u64, u64) {
    (key(i % KEYS), i)
}

/// Item number `i` of the right stream.
#[inline(always)]
pub fn right(i: u64) -> (u64, u64) {
    (key((i + APART) % KEYS), 3 * i)
}

/// What the check sum has of a pair.
#[inline(always)]
pub fn seen(key: u64, left: u64, right: u64) -> u64 {
    (key ^ left).wrapping_mul(2 * right + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_one_place_in_a_round() {
        let mut keys: Vec<_> = (0..KEYS).map(key).collect();
        keys.sort_unstable();
        assert!(keys.into_iter().eq(0..KEYS));
    }

    #[test]
    fn the_halves_of_a_pair_are_half_a_round_apart() {
        assert!((0..10_000).all(|i| left(i).0 == right(i + APART).0));
        assert!((0..10_000).all(|i| right(i).0 == left(i + APART).0));
    }
}
