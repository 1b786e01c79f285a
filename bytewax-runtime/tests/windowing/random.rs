//! Parts of random cases.

/// The clocks that a case chooses from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clocks {
    Keys,
    Partitions,
    Stream,
}

/// Values by key, with times that move on with disorder: from the steps of each.
pub(crate) fn with_disorder(steps: Vec<(u8, i64)>) -> Vec<(u8, i64)> {
    let mut now = 0;
    let value = |(key, step): (u8, i64)| {
        now += step / 4;
        (key, now + step)
    };
    steps.into_iter().map(value).collect()
}

/// Times with the numbers of their values.
pub(crate) fn numbered(values: &[(u8, i64)]) -> Vec<(u8, (i64, u32))> {
    let numbered = values.iter().zip(0..);
    numbered
        .map(|((key, time), number)| (*key, (*time, number)))
        .collect()
}
