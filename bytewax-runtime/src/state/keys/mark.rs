//! The metadata of a key beside its state.

use super::memory::WEIGHT_UNIT;

/// Four bytes: whether the store may contain the key, when the key was last touched, and its approximate
/// memory outside the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyMark(u32);

/// The store may contain a state of the key.
const STORED: u32 = 1 << 31;
/// The store may contain a timer of the key.
const TIMER: u32 = 1 << 30;
/// The key was not touched since its last inspection for eviction.
const IDLE: u32 = 1 << 29;
/// The round in which the key was last touched, if it was not saved since.
const ROUND: u32 = ((1 << 5) - 1) << ROUND_AT;
const ROUND_AT: u32 = 24;
/// The key came back from its eviction for the next touch. It stays idle after that one: if it is not touched
/// again, it is evicted before the keys that are touched often.
const BACK: u32 = 1 << 23;
/// The memory, in units.
const WEIGHT: u32 = BACK - 1;

/// A round in the form of marks, or none: rounds count snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Round(u32);

impl Round {
    /// The round with this number; 0 stands for none.
    pub(super) fn of(number: u64) -> Self {
        // Marks can be reused, because the touches of an old round were saved long ago.
        let rounds = u64::from(ROUND >> ROUND_AT);
        number.checked_sub(1).map_or(Self(0), |number| {
            Self(((number % rounds) as u32 + 1) << ROUND_AT)
        })
    }
}

impl KeyMark {
    /// The mark of a key that is new in a round.
    #[inline]
    pub(super) fn new(round: Round, weight: u32) -> Self {
        Self(round.0 | weight)
    }

    /// The mark of a key that is restored after its eviction.
    pub(super) fn restored(stored: bool, timer: bool, round: Round) -> Self {
        let stored = if stored { STORED } else { 0 };
        let timer = if timer { TIMER } else { 0 };
        Self(stored | timer | round.0 | IDLE | BACK)
    }

    /// The mark of a key in the store.
    pub(super) fn stored(timer: bool) -> Self {
        let timer = if timer { TIMER } else { 0 };
        Self(STORED | timer)
    }

    /// Whether a touch in a round changes nothing.
    #[inline]
    pub(super) fn is_noted(self, round: Round) -> bool {
        self.0 & (ROUND | IDLE) == round.0
    }

    /// Whether the key was last touched in a round, and was not saved since.
    #[inline]
    pub(super) fn is_of(self, round: Round) -> bool {
        self.0 & ROUND == round.0
    }

    pub(super) fn touch(&mut self, round: Round) {
        let idle = if self.0 & BACK != 0 { IDLE } else { 0 };
        self.0 = self.0 & !(ROUND | IDLE | BACK) | round.0 | idle;
    }

    /// Records that the key is saved.
    pub(super) fn save(&mut self, timer: bool) {
        let flags = STORED | if timer { TIMER } else { 0 };
        self.0 = self.0 & (IDLE | WEIGHT) | flags;
    }

    pub(super) fn is_stored(self) -> bool {
        self.0 & STORED != 0
    }

    pub(super) fn has_timer(self) -> bool {
        self.0 & TIMER != 0
    }

    pub(super) fn is_idle(self) -> bool {
        self.0 & IDLE != 0
    }

    pub(super) fn set_idle(&mut self) {
        self.0 |= IDLE;
    }

    pub(super) fn weight(self) -> u32 {
        self.0 & WEIGHT
    }

    /// The weight in bytes.
    pub(super) fn bytes(self) -> usize {
        self.weight() as usize * WEIGHT_UNIT
    }

    pub(super) fn set_weight(&mut self, bytes: usize) {
        let units = u32::try_from(bytes.div_ceil(WEIGHT_UNIT)).unwrap_or(WEIGHT);
        self.0 = self.0 & !WEIGHT | units.min(WEIGHT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_that_follow_each_other_differ() {
        assert_eq!(Round::of(0), Round::default());
        for number in 0..100 {
            assert_ne!(Round::of(number), Round::of(number + 1));
            assert_ne!(Round::of(number), Round::of(number + 2));
        }
        assert_eq!(Round::of(1), Round::of(32));
    }

    #[test]
    fn what_is_noted_does_not_disturb_the_rest() {
        let (first, second) = (Round::of(31), Round::of(1));
        let mut mark = KeyMark::new(first, 7);
        assert!(mark.is_noted(first) && !mark.is_stored() && !mark.has_timer());
        mark.set_idle();
        assert!(mark.is_idle() && mark.is_of(first) && !mark.is_noted(first));
        mark.touch(second);
        assert!(!mark.is_idle() && mark.is_noted(second) && !mark.is_of(first));
        mark.set_idle();
        mark.save(true);
        assert!(mark.is_idle() && mark.is_stored() && mark.has_timer());
        assert!(mark.is_of(Round::default()));
        mark.save(false);
        assert!(!mark.has_timer());
        assert_eq!(mark.weight(), 7);
        mark.set_weight(17);
        assert_eq!(mark.weight(), 2);
        mark.set_weight(usize::MAX);
        mark.touch(first);
        assert!(mark.is_stored() && mark.is_noted(first));
        assert_eq!(mark.weight(), WEIGHT);
    }

    #[test]
    fn a_key_that_is_back_is_busy_from_its_second_touch_on() {
        let (first, second) = (Round::of(1), Round::of(2));
        for round in [first, second] {
            let mut mark = KeyMark::restored(true, false, first);
            mark.set_weight(160);
            assert!(mark.is_idle() && mark.is_of(first) && mark.is_stored());
            mark.touch(round);
            assert!(mark.is_idle() && mark.is_of(round) && !mark.is_noted(round));
            mark.touch(round);
            assert!(!mark.is_idle() && mark.is_noted(round));
            assert_eq!((mark.weight(), mark.is_stored()), (10, true));
        }
    }
}
