//! A hierarchical timing wheel.

/// Bits of a slot's number.
const SLOTS: u32 = 6;
/// The number of levels that hold all ticks, if a tick has 2¹⁰ or more of the units of time.
const LEVELS: usize = 9;

/// The number of things of one tick that counts as a peak, whose memory is released.
const MANY: usize = 1 << 14;

/// Things in the order of their due times, then of their insertion.
///
/// A thing is put into a slot of the lowest level that distinguishes its tick from the current one (Varghese
/// and Lauck, "Hashed and hierarchical timing wheels", 1987). When the time of a slot of a higher level is
/// reached, its things move to lower levels. Inserting and removing a thing therefore cost the same
/// regardless of their number, and only things of the current tick are compared. A tick is 2 to the power of
/// `TICK` units of time.
#[derive(Debug)]
pub(crate) struct Wheel<T, const TICK: u32> {
    /// The current tick; its things and earlier ones are not in slots.
    tick: u64,
    levels: Box<[Level<T>; LEVELS]>,
    /// Things of the current tick and earlier ones, the first of them last.
    near: Vec<(i64, T)>,
    /// The same in the order of insertion.
    fresh: Vec<(i64, T)>,
    len: usize,
}

#[derive(Debug)]
struct Level<T> {
    /// A bit for each non-empty slot.
    occupied: u64,
    slots: [Slot<T>; 1 << SLOTS],
}

#[derive(Debug)]
struct Slot<T> {
    things: Vec<(i64, T)>,
    /// The first time of them.
    first: i64,
    /// The last time of them.
    last: i64,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            things: Vec::new(),
            first: i64::MAX,
            last: i64::MIN,
        }
    }
}

impl<T> Slot<T> {
    /// Takes all things out, and the first and the last time of them.
    fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}

impl<T> Default for Level<T> {
    fn default() -> Self {
        Self {
            occupied: 0,
            slots: std::array::from_fn(|_| Slot::default()),
        }
    }
}

/// Moves things behind others. The memory goes with them if there are no others.
fn append<T>(to: &mut Vec<T>, things: &mut Vec<T>) {
    if to.is_empty() {
        std::mem::swap(to, things);
    } else {
        to.append(things);
    }
}

impl<T, const TICK: u32> Wheel<T, TICK> {
    pub(crate) fn new() -> Self {
        Self {
            tick: 0,
            levels: Box::new(std::array::from_fn(|_| Level::default())),
            near: Vec::new(),
            fresh: Vec::new(),
            len: 0,
        }
    }

    /// The number of a time's tick. The earliest time there is has 0.
    #[inline]
    fn tick_of(time: i64) -> u64 {
        (time.cast_unsigned() ^ (1 << 63)) >> TICK
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn put(&mut self, due: i64, thing: T) {
        self.len += 1;
        self.place(due, thing);
    }

    #[inline]
    fn place(&mut self, due: i64, thing: T) {
        let tick = Self::tick_of(due);
        if tick <= self.tick {
            self.fresh.push((due, thing));
            return;
        }
        let slot = self.slot_of(tick);
        slot.first = slot.first.min(due);
        slot.last = slot.last.max(due);
        slot.things.push((due, thing));
    }

    /// The slot of a tick that is to come. Something is put into it.
    #[inline]
    fn slot_of(&mut self, tick: u64) -> &mut Slot<T> {
        let level = (tick ^ self.tick).ilog2() / SLOTS;
        let number = (tick >> (level * SLOTS)) as usize % (1 << SLOTS);
        let level = &mut self.levels[level as usize];
        level.occupied |= 1 << number;
        &mut level.slots[number]
    }

    /// Puts all things of a slot where they belong now.
    fn place_all(&mut self, mut slot: Slot<T>) {
        let tick = Self::tick_of(slot.last);
        if tick <= self.tick {
            append(&mut self.fresh, &mut slot.things);
        } else if Self::tick_of(slot.first) == tick {
            // Windows that follow the calendar end together, so they move together.
            let to = self.slot_of(tick);
            to.first = to.first.min(slot.first);
            to.last = to.last.max(slot.last);
            append(&mut to.things, &mut slot.things);
        } else {
            for (due, thing) in slot.things.drain(..) {
                self.place(due, thing);
            }
        }
    }

    /// The slot with the first things that are in slots: its level, its number, and its first tick.
    fn first_slot(&self) -> Option<(usize, usize, u64)> {
        let level = self.levels.iter().position(|level| level.occupied != 0)?;
        let number = self.levels[level].occupied.trailing_zeros();
        let below = level as u32 * SLOTS;
        // All bits above those of the level are those of the present tick.
        let above = self.tick >> below >> SLOTS << SLOTS;
        Some((level, number as usize, (above | u64::from(number)) << below))
    }

    /// Moves on to a tick. What was due until then is in no slot afterwards.
    fn advance(&mut self, to: u64) {
        while let Some((level, number, tick)) = self.first_slot()
            && tick <= to
        {
            self.tick = tick;
            self.levels[level].occupied &= !(1 << number);
            let slot = self.levels[level].slots[number].take();
            self.place_all(slot);
        }
        self.tick = self.tick.max(to);
    }

    /// Takes the first thing that is due at `now`.
    pub(crate) fn pop(&mut self, now: i64) -> Option<(i64, T)> {
        let tick = Self::tick_of(now);
        if tick > self.tick {
            self.advance(tick);
        }
        if !self.fresh.is_empty() {
            self.sort();
        }
        let (due, _) = self.near.last()?;
        if *due > now {
            return None;
        }
        self.len -= 1;
        let first = self.near.pop();
        if self.near.is_empty() && self.near.capacity() > MANY {
            (self.near, self.fresh) = (Vec::new(), Vec::new());
        }
        first
    }

    /// Takes all things that are due at `now`, the first of them last. There must be nothing in `due`.
    pub(crate) fn take_due(&mut self, now: i64, due: &mut Vec<(i64, T)>) {
        let tick = Self::tick_of(now);
        if tick > self.tick {
            self.advance(tick);
        }
        if !self.fresh.is_empty() {
            self.sort();
        }
        let from = self.near.partition_point(|(due, _)| *due > now);
        if from == 0 {
            std::mem::swap(&mut self.near, due);
        } else {
            due.extend(self.near.drain(from..));
        }
        self.len -= due.len();
    }

    fn sort(&mut self) {
        // The last is the first to go, and of equal times the one that came first.
        self.fresh.reverse();
        self.fresh.append(&mut self.near);
        self.fresh.sort_by_key(|(due, _)| std::cmp::Reverse(*due));
        std::mem::swap(&mut self.near, &mut self.fresh);
    }

    /// The time at which the first thing is due.
    pub(crate) fn first(&self) -> Option<i64> {
        let near = self.near.last().map(|(due, _)| *due);
        let fresh = self.fresh.iter().map(|(due, _)| *due).min();
        near.into_iter().chain(fresh).min().or_else(|| {
            let (level, number, _) = self.first_slot()?;
            Some(self.levels[level].slots[number].first)
        })
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A span of any magnitude.
    fn spans() -> impl Strategy<Value = i64> {
        (0_u32..50, any::<i64>()).prop_map(|(bits, any)| any & ((1 << bits) - 1))
    }

    #[derive(Clone, Copy, Debug)]
    enum Do {
        Put(i64),
        PutAt(i64),
        /// Goes on, and takes what is due: all, or one thing.
        Take(i64, bool),
    }

    fn actions() -> impl Strategy<Value = Do> {
        prop_oneof![
            6 => spans().prop_map(Do::Put),
            1 => Just(Do::Put(-500)),
            1 => prop_oneof![Just(i64::MIN), Just(i64::MAX)].prop_map(Do::PutAt),
            5 => (spans(), any::<bool>()).prop_map(|(span, all)| Do::Take(span, all)),
        ]
    }

    fn check<const TICK: u32>(start: i64, actions: &[Do]) -> Result<(), TestCaseError> {
        let mut wheel = Wheel::<usize, TICK>::new();
        let mut model: BTreeMap<(i64, usize), ()> = BTreeMap::new();
        let mut now = start;
        for (number, action) in actions.iter().enumerate() {
            match *action {
                Do::Put(span) => {
                    let due = now.saturating_add(span);
                    wheel.put(due, number);
                    model.insert((due, number), ());
                }
                Do::PutAt(due) => {
                    wheel.put(due, number);
                    model.insert((due, number), ());
                }
                Do::Take(span, all) => {
                    now = now.saturating_add(span);
                    loop {
                        let first = model.first_entry().filter(|first| first.key().0 <= now);
                        let first = first.map(|first| first.remove_entry().0);
                        prop_assert_eq!(wheel.pop(now), first);
                        if first.is_none() || !all {
                            break;
                        }
                    }
                }
            }
            prop_assert_eq!(wheel.len(), model.len());
            let first = model.first_key_value().map(|((due, _), ())| *due);
            prop_assert_eq!(wheel.first(), first);
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn things_come_as_from_a_sorted_list(
            start in prop::sample::select(vec![0, 1_700_000_000_000_000, -5_000_000, i64::MIN]),
            actions in prop::collection::vec(actions(), 0..200),
        ) {
            check::<10>(start, &actions)?;
            check::<20>(start, &actions)?;
        }
    }
}
