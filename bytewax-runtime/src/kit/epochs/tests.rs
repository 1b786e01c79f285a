//! The protocol alone: tables of what is told and what follows, and clusters of workers that are put together by chance.

use chrono::TimeDelta;

use super::protocol::{Frontier, Pace, Protocol, STOPPED};
use crate::clock::Monotonic;
use crate::ids::Epoch;

fn at(second: i64) -> Monotonic {
    Monotonic::default().after(TimeDelta::seconds(second))
}

/// Ten seconds an epoch, from epoch 5 at second 0, with sources `a` and `b`.
fn ten_seconds(saves: bool) -> Protocol<char> {
    with_sources(Pace::Every(TimeDelta::seconds(10)), saves)
}

/// An epoch a poll, from epoch 5, with sources `a` and `b`.
fn each_poll() -> Protocol<char> {
    with_sources(Pace::EachPoll, false)
}

fn with_sources(pace: Pace, saves: bool) -> Protocol<char> {
    let mut protocol = Protocol::new(pace, saves, Epoch(5), at(0));
    protocol.add_source('a');
    protocol.add_source('b');
    protocol
}

fn epoch(word: &str) -> Epoch {
    if word == "stopped" {
        return STOPPED;
    }
    Epoch(
        word.parse()
            .unwrap_or_else(|_| panic!("`{word}` is no epoch")),
    )
}

fn frontier(word: &str) -> Frontier {
    match word {
        "ended" => Frontier::Ended,
        "stopped" => Frontier::Stopped,
        word => Frontier::At(epoch(word)),
    }
}

fn show(epoch: Option<Epoch>) -> String {
    match epoch {
        None => "-".to_owned(),
        Some(STOPPED) => "stopped".to_owned(),
        Some(epoch) => epoch.to_string(),
    }
}

fn show_frontier(frontier: Frontier) -> String {
    match frontier {
        Frontier::At(epoch) => epoch.to_string(),
        Frontier::Stopped => "stopped".to_owned(),
        Frontier::Ended => "ended".to_owned(),
    }
}

/// Tells a protocol what each line says, and compares what follows with what stands behind the arrow.
#[track_caller]
fn check(mut protocol: Protocol<char>, table: &str) {
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (told, expected) = line.split_once(" => ").unwrap_or((line, ""));
        let words: Vec<&str> = told.split_whitespace().collect();
        let source = |word: &str| word.chars().next().unwrap();
        let second = |word: &str| at(word.parse().unwrap());
        let follows = match *words.as_slice() {
            ["join", latest, now] => {
                let joins = protocol.join(epoch(latest), second(now));
                if joins { "goes" } else { "stays" }.to_owned()
            }
            ["begin", now] => show(protocol.begin(second(now))),
            ["next", from] => show(protocol.next_of(epoch(from))),
            ["may", of] => if protocol.may_poll(source(of)) {
                "yes"
            } else {
                "no"
            }
            .to_owned(),
            ["turn", of, what] => {
                protocol.had_a_turn(source(of), what == "polled");
                String::new()
            }
            ["remove", of] => {
                protocol.remove_source(source(of));
                String::new()
            }
            ["ends", "at"] => match protocol.ends_at() {
                Some(end) => end.since(at(0)).num_seconds().to_string(),
                None => "-".to_owned(),
            },
            ["ended", last] => {
                protocol.ended(epoch(last));
                String::new()
            }
            ["left", before] => show(protocol.left(frontier(before))),
            ["saved", last, left] => show_frontier(protocol.saved(epoch(last), frontier(left))),
            ["complete", before] => {
                let complete: Vec<_> = protocol
                    .complete(frontier(before))
                    .map(|n| n.to_string())
                    .collect();
                if complete.is_empty() {
                    "-".to_owned()
                } else {
                    complete.join(" ")
                }
            }
            ["stop"] => {
                protocol.stop();
                String::new()
            }
            _ => panic!("what is `{told}`?"),
        };
        assert_eq!(follows, expected, "`{line}`");
    }
}

#[test]
fn an_epoch_lasts_as_long_as_told_and_two_are_under_way() {
    check(
        ten_seconds(false),
        "next 0 => 5
         next 5 => -
         may a => yes
         ends at => 10
         begin 9 => -
         begin 10 => 6
         next 5 => 6
         may a => yes
         begin 19 => -
         ends at => 20
         begin 20 => 7
         may a => no
         ends at => -
         begin 99 => -
         complete 6 => 5
         may a => yes
         ends at => 30",
    );
}

#[test]
fn sources_wait_while_an_epoch_before_the_last_is_under_way() {
    // Another worker, which knows more, is two epochs ahead.
    check(
        ten_seconds(false),
        "join 7 3 => goes
         may a => no
         ends at => -
         complete 6 => 5
         may a => yes
         ends at => 13",
    );
}

#[test]
fn an_epoch_lasts_while_the_one_before_is_being_saved() {
    check(
        ten_seconds(true),
        "begin 10 => 6
         may a => yes
         ends at => -
         begin 99 => -
         complete 6 => 5
         begin 99 => 7",
    );
}

#[test]
fn workers_join_the_newest_epoch_whatever_the_order() {
    check(
        ten_seconds(false),
        "join 5 1 => stays
         join 6 2 => goes
         join 6 3 => stays
         join 5 3 => stays
         next 5 => 6
         complete 6 => 5
         ends at => 12",
    );
}

#[test]
fn with_an_epoch_a_poll_each_source_is_polled_once() {
    check(
        each_poll(),
        "may a => yes
         turn a polled
         may a => no
         begin 0 => -
         may b => yes
         turn b polled
         begin 0 => 6
         may a => no
         turn a polled
         begin 0 => -
         complete 6 => 5
         may a => yes
         turn a idle
         may a => yes
         turn b polled
         begin 0 => 7",
    );
}

#[test]
fn with_an_epoch_a_poll_nobody_begins_one_for_nothing() {
    check(
        each_poll(),
        "turn a idle
         turn b idle
         begin 0 => -
         turn a polled
         turn a idle
         begin 0 => 6",
    );
}

#[test]
fn with_an_epoch_a_poll_sources_have_their_turn_before_they_follow() {
    check(
        each_poll(),
        "join 6 0 => stays
         next 5 => -
         turn a idle
         join 6 0 => stays
         turn b polled
         join 6 0 => goes
         next 5 => 6",
    );
    // Those that have ended are not waited for.
    check(
        each_poll(),
        "remove a
         turn b idle
         join 6 0 => goes
         remove b
         join 7 0 => goes",
    );
}

#[test]
fn what_all_have_left_is_saved_and_then_complete() {
    check(
        ten_seconds(true),
        "left 0 => -
         left 5 => -
         left 6 => 5
         saved 4 6 => 5
         left 6 => -
         left 9 => 8
         saved 8 9 => 9
         complete 6 => 5
         complete 6 => -
         complete 9 => 6 7 8
         complete 8 => -",
    );
}

#[test]
fn the_last_epoch_of_all_sources_is_the_last() {
    check(
        ten_seconds(true),
        "ended 6
         ended 5
         left ended => 6
         saved 5 ended => 6
         saved 6 ended => ended
         complete ended => 5 6",
    );
    // Nothing was ever read.
    check(
        ten_seconds(true),
        "ended 5\nleft ended => 5\nsaved 5 ended => ended\ncomplete ended => 5",
    );
}

#[test]
fn a_run_that_stops_ends_its_epoch_and_begins_no_other() {
    check(
        ten_seconds(true),
        "begin 10 => 6
         stop
         may a => no
         ends at => -
         begin 99 => -
         next 5 => 6
         next 6 => stopped
         next stopped => -
         ended 6
         left stopped => 6
         saved 5 stopped => 6
         saved 6 stopped => stopped
         complete stopped => 5 6",
    );
    // Though others have begun one before they heard of it.
    check(each_poll(), "stop\njoin 6 0 => stays\nnext 5 => stopped");
    check(
        ten_seconds(false),
        "stop\njoin 6 0 => goes\nnext 5 => 6\nnext 6 => stopped",
    );
}

/// Numbers that look as if chosen by chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// A worker of a cluster, with its sources: where each is, and the epochs in which it was polled.
struct Worker {
    protocol: Protocol<usize>,
    sources: Vec<(Epoch, Vec<Epoch>)>,
    complete: Vec<u64>,
}

/// What all workers see in the end; they hear of it in any order.
struct Cluster {
    workers: Vec<Worker>,
    latest: Epoch,
    stops: bool,
}

impl Cluster {
    fn new(pace: Pace, workers: usize, sources: usize) -> Self {
        let worker = || {
            let mut protocol = Protocol::new(pace, false, Epoch(1), at(0));
            (0..sources).for_each(|source| protocol.add_source(source));
            Worker {
                protocol,
                sources: vec![(Epoch(0), Vec::new()); sources],
                complete: Vec::new(),
            }
        };
        Self {
            workers: (0..workers).map(|_| worker()).collect(),
            latest: Epoch(1),
            stops: false,
        }
    }

    /// Runs a source once, as its operator does.
    fn run(&mut self, worker: usize, source: usize, now: Monotonic, is_ready: bool) {
        let latest = self.latest;
        let Worker {
            protocol, sources, ..
        } = &mut self.workers[worker];
        let (place, polls) = &mut sources[source];
        if self.stops {
            protocol.stop();
        }
        protocol.join(latest, now);
        while let Some(next) = protocol.next_of(*place) {
            if next == STOPPED {
                protocol.ended(*place);
            }
            *place = next;
        }
        if *place == STOPPED {
            return;
        }
        let polled = protocol.may_poll(source) && is_ready;
        if polled {
            polls.push(*place);
        }
        protocol.had_a_turn(source, polled);
        if protocol.begin(now).is_none() && protocol.has_turns() {
            protocol.join(latest, now);
        }
        if let Some(next) = protocol.next_of(*place) {
            *place = next;
        }
        self.latest = self.latest.max(*place);
    }

    /// Tells a worker how far all sources are.
    fn tell(&mut self, worker: usize) {
        let all = self.workers.iter().flat_map(|worker| &worker.sources);
        let left = all.map(|(place, _)| *place).min().unwrap();
        let worker = &mut self.workers[worker];
        let complete = worker.protocol.complete(Frontier::from(Some(left)));
        worker.complete.extend(complete);
    }
}

#[test]
fn with_an_epoch_a_poll_all_sources_of_a_cluster_go_in_step() {
    for seed in 0..50 {
        let mut chance = Chance(seed);
        let (workers, sources) = (1 + chance.below(3), 1 + chance.below(2));
        let mut cluster = Cluster::new(Pace::EachPoll, workers, sources);
        for _ in 0..5000 {
            let worker = chance.below(workers);
            match chance.below(3) {
                0 => cluster.tell(worker),
                _ => cluster.run(worker, chance.below(sources), at(0), true),
            }
        }
        for worker in &cluster.workers {
            for (_, polls) in &worker.sources {
                let expected: Vec<Epoch> = (1..).map(Epoch).take(polls.len()).collect();
                assert_eq!(*polls, expected, "seed {seed}");
                assert!(polls.len() > 20, "seed {seed}: {} polls", polls.len());
            }
        }
    }
}

#[test]
fn epochs_of_a_cluster_go_on_and_end_wherever_it_stops() {
    for seed in 0..100 {
        let mut chance = Chance(seed);
        let (workers, sources) = (1 + chance.below(3), 1 + chance.below(2));
        let pace = match chance.below(2) {
            0 => Pace::EachPoll,
            _ => Pace::Every(TimeDelta::seconds(3)),
        };
        let mut cluster = Cluster::new(pace, workers, sources);
        let stops_at = chance.below(2000);
        let end = |cluster: &Cluster| {
            let mut all = cluster.workers.iter().flat_map(|worker| &worker.sources);
            all.all(|(place, _)| *place == STOPPED)
        };
        let mut turn = 0;
        while !end(&cluster) {
            turn += 1;
            assert!(turn < 20_000, "seed {seed} does not stop");
            cluster.stops |= turn > stops_at;
            let worker = chance.below(workers);
            let is_ready = chance.below(4) > 0;
            match chance.below(3) {
                0 => cluster.tell(worker),
                _ => cluster.run(
                    worker,
                    chance.below(sources),
                    at(turn as i64 / 50),
                    is_ready,
                ),
            }
        }
        // Every source tells every worker with which epoch it ends.
        let all = || cluster.workers.iter().flat_map(|worker| &worker.sources);
        let polled = all()
            .flat_map(|(_, polls)| polls)
            .max()
            .copied()
            .unwrap_or(Epoch(0));
        let last = cluster
            .workers
            .iter()
            .map(|worker| worker.protocol.last())
            .max()
            .unwrap();
        assert!(last >= polled, "seed {seed}");
        for index in 0..workers {
            cluster.workers[index].protocol.ended(last);
            cluster.tell(index);
            let worker = &cluster.workers[index];
            let expected: Vec<u64> = (1..=last.0).collect();
            assert_eq!(
                worker.complete, expected,
                "seed {seed}: each epoch is complete once, in order"
            );
        }
    }
}
