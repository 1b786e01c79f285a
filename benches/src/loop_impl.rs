//! The workloads without any framework: what there is to win. It is a reference and not a bound, as a
//! loop takes one item at a time and an engine with batches can do better on the cache.

use std::io;
use std::iter::once;
use std::path::Path;
use std::thread;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::case::Case;
use crate::chain;
use crate::check::{Check, StreamCheck, WordCheck};
use crate::keyed::{self, KeyText, Running};
use crate::pairs;
use crate::windows::{self, Windows};

/// W1: the text as a whole in memory, lower case in place, each word looked up where it stands and
/// copied only when it is new. Threads take a stretch of the text each.
pub fn words(file: &Path, workers: usize) -> io::Result<WordCheck> {
    let mut text = std::fs::read(file)?;
    let mut parts = thread::scope(|scope| {
        let threads: Vec<_> = stretches(&mut text, workers)
            .into_iter()
            .map(|part| scope.spawn(move || count(part)))
            .collect();
        threads.into_iter().map(joined).collect::<Vec<_>>()
    })
    .into_iter();
    let mut counts = parts.next().unwrap_or_default();
    for part in parts {
        for (word, count) in part {
            *counts.entry(word).or_default() += count;
        }
    }
    let mut check = WordCheck::default();
    for (word, count) in &counts {
        check.add(word, *count);
    }
    Ok(check)
}

/// Cuts the text behind line ends.
fn stretches(mut text: &mut [u8], parts: usize) -> Vec<&mut [u8]> {
    let size = text.len() / parts;
    let mut stretches = Vec::with_capacity(parts);
    for _ in 1..parts {
        let from = size.min(text.len());
        let end = text[from..].iter().position(|byte| *byte == b'\n');
        let (part, rest) = text.split_at_mut(end.map_or(text.len(), |end| from + end + 1));
        stretches.push(part);
        text = rest;
    }
    stretches.push(text);
    stretches
}

fn count(text: &mut [u8]) -> HashMap<Box<[u8]>, u64> {
    text.make_ascii_lowercase();
    let mut counts = HashMap::<Box<[u8]>, u64>::new();
    for word in text.split(|byte| !byte.is_ascii_alphanumeric()) {
        if word.is_empty() {
            continue;
        }
        match counts.get_mut(word) {
            Some(count) => *count += 1,
            None => {
                counts.insert(word.into(), 1);
            }
        }
    }
    counts
}

/// W2: all steps in one loop, a partition for each thread.
pub fn chain(n: u64, workers: usize) -> StreamCheck {
    if workers == 1 {
        return fused(0..n); // without a factor for the step, which vectorizes best
    }
    thread::scope(|scope| {
        let threads: Vec<_> = (0..workers)
            .map(|part| scope.spawn(move || fused(chain::inputs(part, workers, n))))
            .collect();
        let mut check = StreamCheck::default();
        for part in threads {
            check.merge(joined(part));
        }
        check
    })
}

fn fused(inputs: impl Iterator<Item = u64>) -> StreamCheck {
    let mut check = StreamCheck::default();
    for x in inputs.map(chain::spread) {
        if chain::keep(&x) {
            let x = chain::fold(x);
            once(x).chain(chain::second(x)).for_each(|x| check.add(x));
        }
    }
    check
}

/// W3: the text of the key on the stack, copied only when the key is new.
pub fn keyed(n: u64) -> StreamCheck {
    let mut states = HashMap::<Box<str>, Running>::new();
    let mut check = StreamCheck::default();
    let mut text = KeyText::default();
    for (key, value) in (0..n).map(keyed::event) {
        let key = keyed::key_text(key, &mut text);
        let (mean, max) = match states.get_mut(key) {
            Some(state) => state.push(value),
            None => states.entry(key.into()).or_default().push(value),
        };
        check.add_running(mean, max);
    }
    check
}

/// W4 and W5: windows by their begins, closed after each batch.
pub fn windows(case: &Case) -> StreamCheck {
    let mut windows = Windows::new(windows::offset(case.workload));
    let mut check = StreamCheck::default();
    let mut events = windows::events(0, 1, case.n());
    let mut newest = i64::MIN;
    loop {
        let mut any = false;
        for event in events.by_ref().take(case.batch()) {
            any = true;
            newest = newest.max(event.1);
            windows.push(event);
        }
        let watermark = if any {
            newest - windows::WAIT
        } else {
            i64::MAX
        };
        windows.close(watermark, |key, begin, tallied| {
            check.add(tallied.checked(key, begin));
        });
        if !any {
            return check;
        }
    }
}

/// W6: the first half of each pair in a map, until the second comes.
pub fn pairs(n: u64) -> StreamCheck {
    let mut waiting = HashMap::<u64, (Option<u64>, Option<u64>)>::new();
    let mut check = StreamCheck::default();
    for i in 0..n {
        let (key, left) = pairs::left(i);
        match waiting.entry(key) {
            Entry::Occupied(mut entry) => match entry.get().1 {
                Some(right) => {
                    entry.remove();
                    check.add(pairs::seen(key, left, right));
                }
                None => entry.get_mut().0 = Some(left),
            },
            Entry::Vacant(entry) => drop(entry.insert((Some(left), None))),
        }
        let (key, right) = pairs::right(i);
        match waiting.entry(key) {
            Entry::Occupied(mut entry) => match entry.get().0 {
                Some(left) => {
                    entry.remove();
                    check.add(pairs::seen(key, left, right));
                }
                None => entry.get_mut().1 = Some(right),
            },
            Entry::Vacant(entry) => drop(entry.insert((None, Some(right)))),
        }
    }
    check
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
