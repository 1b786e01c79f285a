//! What a cache keeps, and for how long.

use std::sync::Mutex;

use proptest::prelude::*;

use super::*;

/// A cache whose getter gives the length of a text, or fails for the empty text; and its calls.
fn lengths(config: CacheConfig) -> (Cache<String, usize>, Arc<Mutex<Vec<String>>>) {
    let calls: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&calls);
    let getter = move |key: &String| {
        noted.lock().unwrap().push(key.clone());
        match key.len() {
            0 => Err(StepError::msg("nothing")),
            length => Ok(length),
        }
    };
    (
        Cache::new(config, Arc::new(getter), Monotonic::default()),
        calls,
    )
}

fn at_second(second: i64) -> Monotonic {
    Monotonic::default().after(TimeDelta::seconds(second))
}

/// What is asked of the getter for keys at seconds.
fn calls(config: CacheConfig, asked: &[(i64, &str)]) -> String {
    let (mut cache, calls) = lengths(config);
    for (second, key) in asked {
        cache.now = at_second(*second);
        let got = cache
            .get(&(*key).to_owned())
            .map_err(|error| error.to_string());
        let failed = "no value could be got for the key `\"\"`: nothing".to_owned();
        let expected = if key.is_empty() {
            Err(failed)
        } else {
            Ok(key.len())
        };
        assert_eq!(got.copied(), expected);
    }
    let calls = calls.lock().unwrap();
    calls.join(" ")
}

#[test]
fn b45_the_getter_is_asked_as_rarely_as_the_limits_allow() {
    let all = CacheConfig::new();
    let ttl = all.ttl(TimeDelta::seconds(60));
    let two = all.max_items(2);
    for (config, asked, expected) in [
        (all, &[(0, "a"), (9, "a"), (99_999, "a")][..], "a"),
        // B45, B46: older, and not as old.
        (ttl, &[(0, "a"), (60, "a"), (61, "a"), (120, "a")], "a a"),
        // A clock that is set back makes nothing older.
        (ttl, &[(90, "a"), (0, "a")], "a"),
        // B48
        (all, &[(0, ""), (0, ""), (0, "a"), (0, "a")], "  a"),
        (
            two,
            &[
                (0, "a"),
                (0, "b"),
                (0, "a"),
                (0, "c"),
                (0, "b"),
                (0, "a"),
                (0, "c"),
            ],
            "a b c a",
        ),
        (
            all.max_items(0),
            &[(0, "a"), (0, "a"), (0, "b"), (0, "b"), (0, "a")],
            "a b a",
        ),
        // What was got again is not the oldest any more.
        (
            ttl.max_items(2),
            &[(0, "a"), (50, "b"), (61, "a"), (62, "c"), (63, "a")],
            "a b a c",
        ),
    ] {
        assert_eq!(calls(config, asked), expected, "{config:?} {asked:?}");
    }
}

#[test]
fn what_is_too_old_goes_when_others_come() {
    let (mut cache, _) = lengths(CacheConfig::new().ttl(TimeDelta::seconds(1)));
    for second in 0..1000 {
        cache.now = at_second(second);
        cache.get(&format!("key {second}")).unwrap();
    }
    assert_eq!((cache.held.len(), cache.order.len()), (2, 2));
}

#[test]
fn removed_keys_do_not_pile_up() {
    let (mut cache, calls) = lengths(CacheConfig::new().max_items(10));
    cache.get(&"stays".to_owned()).unwrap();
    for _ in 0..1000 {
        cache.get(&"goes".to_owned()).unwrap();
        assert_eq!(cache.remove(&"goes".to_owned()), Some(4));
        assert_eq!(cache.remove(&"goes".to_owned()), None);
    }
    assert!(cache.order.len() < 100);
    cache.get(&"stays".to_owned()).unwrap();
    assert_eq!(calls.lock().unwrap().len(), 1001);
}

/// What happens to a cache of a few keys.
#[derive(Clone, Copy, Debug)]
enum Act {
    Get(u8),
    Remove(u8),
    /// The clock goes on by so many seconds, or is set back.
    Pass(i64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let key = 0_u8..6;
    let act = prop_oneof![
        6 => key.clone().prop_map(Act::Get),
        1 => key.prop_map(Act::Remove),
        3 => (-2_i64..6).prop_map(Act::Pass),
    ];
    prop::collection::vec(act, 0..200)
}

/// A cache as a list of keys and times, in the order in which their values were got.
#[derive(Default)]
struct Model {
    held: Vec<(u8, i64)>,
    ttl: Option<i64>,
    most: Option<usize>,
}

impl Model {
    fn is_old(&self, at: i64, now: i64) -> bool {
        self.ttl.is_some_and(|ttl| now - at > ttl)
    }

    fn remove(&mut self, key: u8) -> bool {
        let place = self.held.iter().position(|(held, _)| *held == key);
        place.map(|place| self.held.remove(place)).is_some()
    }

    /// Whether the getter is asked; it fails for the key 0.
    fn get(&mut self, key: u8, now: i64) -> bool {
        let held = self.held.iter().find(|(held, _)| *held == key);
        if held.is_some_and(|(_, at)| !self.is_old(*at, now)) {
            return false;
        }
        self.remove(key);
        if key > 0 {
            let full = |held: &[_]| self.most.is_some_and(|most| held.len() >= most.max(1));
            while self
                .held
                .first()
                .is_some_and(|(_, at)| self.is_old(*at, now) || full(&self.held))
            {
                self.held.remove(0);
            }
            self.held.push((key, now));
        }
        true
    }
}

proptest! {
    #[test]
    fn a_cache_is_a_list_of_what_was_got(
        acts in acts(),
        ttl in prop::option::of(0_i64..8),
        most in prop::option::of(0_usize..5),
    ) {
        let config = CacheConfig { ttl: ttl.map(TimeDelta::seconds), max_items: None };
        let config = most.map_or(config, |most| config.max_items(most));
        let calls = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&calls);
        let getter = move |key: &u8| {
            let mut calls = counted.lock().unwrap();
            *calls += 1;
            // Each value is another, so that an old one is told from one that was got again.
            if *key == 0 { Err(StepError::msg("nothing")) } else { Ok((*key, *calls)) }
        };
        let mut cache = Cache::new(config, Arc::new(getter), Monotonic::default());
        let mut model = Model { ttl, most, ..Model::default() };
        let mut got_last = [0; 6];
        let mut now = 0;
        for act in acts {
            match act {
                Act::Pass(seconds) => now += seconds,
                Act::Remove(key) => {
                    prop_assert_eq!(cache.remove(&key).is_some(), model.remove(key));
                }
                Act::Get(key) => {
                    cache.now = at_second(now);
                    let before = *calls.lock().unwrap();
                    let got = cache.get(&key).ok().copied();
                    let asked = *calls.lock().unwrap() - before;
                    prop_assert_eq!(asked, i32::from(model.get(key, now)), "{:?}", act);
                    if asked > 0 {
                        got_last[usize::from(key)] = before + 1;
                    }
                    let expected = (key > 0).then(|| (key, got_last[usize::from(key)]));
                    prop_assert_eq!(got, expected);
                }
            }
            prop_assert_eq!(cache.held.len(), model.held.len());
            prop_assert!(cache.order.len() <= 2 * cache.held.len() + 65);
        }
    }
}
