//! The kill test: a flow is killed by SIGKILL at random moments, again and again, and goes on each
//! time with other numbers of workers and processes. In the end its files are those of a run that
//! nothing has broken. Half of the lives have a backup, and their machines lose their directories.
//!
//! `KILLS=200 cargo test -p cli-tests --test kill` kills more often than the usual 30 times. A failure
//! prints the seed; `KILL_SEED=…` makes the same choices again, though not the same moments.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod life;
mod output;
mod program;
mod random;
mod state;
mod stop;

use std::time::{SystemTime, UNIX_EPOCH};

use life::Life;
use output::Output;
use random::Random;

/// A whole number in a variable.
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is `{text}`, and has to be a number")))
}

#[test]
fn killed_again_and_again() {
    let kills = number("KILLS").unwrap_or(30);
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed =
        number("KILL_SEED").unwrap_or_else(|| time.map_or(0, |time| time.as_micros() as u64));
    println!("KILL_SEED={seed} KILLS={kills}");
    let mut random = Random::new(seed);
    let (mut killed, mut lives) = (0, 0);
    while killed < kills {
        let mut life = Life::begin(&mut random);
        let (mut rounds, mut grown, mut most) = (0, 0, 0);
        // Until the flow has come to its end by itself.
        while killed < kills && life.round(&mut random) {
            (killed, rounds) = (killed + 1, rounds + 1);
            grown += u64::from(life.most() > most);
            most = life.most();
            assert!(rounds < 200, "the flow does not come to its end");
        }
        life.finish(&mut random);
        let output = life.output();
        output.check(Output::unbroken());
        // Once more, with nothing left to do.
        life.finish(&mut random);
        life.output().check(&output);
        lives += 1;
        println!("life {lives}: killed {rounds} times, {grown} times with something new");
        assert!(rounds < 10 || grown * 4 >= rounds, "there is no progress");
    }
}
