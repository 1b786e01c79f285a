use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use clap::Parser;

use super::*;
use crate::ids::{Epoch, StepId};
use crate::key::{Key, position_slot};
use crate::recovery::{Batch, Execution, SavedKind, StepMeta, Table, discover, push_timer, resume};
use crate::state::{self, State};
use crate::testing::{TestingItem, TestingSink, TestingSource, cluster_main};
use crate::windowing::{Lateness, Micros, StreamClock, TumblingWindower};

#[derive(Parser)]
struct Program {
    #[command(subcommand)]
    command: RecoveryCommand,
}

/// Does a command in a directory; what it prints, with the directory and what is random left out.
fn run(dir: &Path, line: &str) -> (String, Option<String>) {
    let words = line.split_whitespace().map(|word| match word {
        "DIR" => dir.display().to_string(),
        "NEW" => dir.join("new").display().to_string(),
        word => word.to_owned(),
    });
    let program = Program::try_parse_from(std::iter::once("orders".to_owned()).chain(words));
    let flow = Dataflow::build("orders", |_| ());
    let outcome = program.unwrap().command.execute(&flow);
    let (text, problem) = match outcome {
        Ok(outcome) => (
            outcome.text,
            outcome.problem.map(|problem| problem.report()),
        ),
        Err(error) => (String::new(), Some(error.report())),
    };
    let dir = dir.canonicalize().unwrap().display().to_string();
    let clean = |text: String| {
        let lines = text.lines().map(|line| match line.strip_prefix("store") {
            Some(_) => "store  ..".to_owned(),
            None => line.replace(&dir, "DIR"),
        });
        lines.map(|line| line + "\n").collect()
    };
    (clean(text), problem.map(clean))
}

#[track_caller]
fn check(dir: &Path, line: &str, expected: &str) {
    assert_eq!(run(dir, line), (expected.to_owned(), None), "{line}");
}

#[track_caller]
fn check_problem(dir: &Path, line: &str, expected: &str) {
    assert_eq!(run(dir, line).1.as_deref(), Some(expected), "{line}");
}

/// A store of one execution: two keys, one of them waiting, and a position.
fn store(partitions: u32) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let meta = |id, kind| StepMeta {
        id: StepId::new(id),
        kind,
        schema: u64::SCHEMA.to_string(),
        version: 1,
        fingerprint: u64::SCHEMA.fingerprint,
    };
    let total = meta("orders.total", SavedKind::Stateful);
    let input = meta("orders.input", SavedKind::Source);
    recovery::init(dir.path(), partitions, "orders").unwrap();
    let files = discover(&[dir.path()]).unwrap();
    let states: Vec<_> = files.iter().map(|file| file.state().unwrap()).collect();
    let resume = resume(&states).unwrap();
    let mut sealed = Vec::new();
    state::seal(&300_u64, &mut sealed).unwrap();
    for (file, index) in files.into_iter().zip(0..) {
        let of_this = |slot: crate::key::Slot| slot.index() as u32 % partitions == index;
        let mut writer = file.lock().unwrap().writer().unwrap();
        let execution = Execution {
            number: resume.execution,
            resume: resume.epoch,
            workers: 3,
            processes: 1,
            started_at: DateTime::UNIX_EPOCH,
        };
        writer.begin_execution(&execution).unwrap();
        let (step, source) = (writer.step(&total).unwrap(), writer.step(&input).unwrap());
        let mut batch = Batch::default();
        for key in ["ada", "bob"] {
            let hash = key.to_owned().stable_hash();
            batch.push(hash, key.as_bytes(), Some(&sealed)).unwrap();
        }
        let mut timers = Batch::default();
        let due = DateTime::from_timestamp(60, 0);
        push_timer(&mut timers, "ada".to_owned().stable_hash(), b"ada", due).unwrap();
        let written = batch.drain(|slot, run| match of_this(slot) {
            true => writer.write(Table::Snaps, step, slot, Epoch(1), run),
            false => Ok(()),
        });
        written.unwrap();
        let written = timers.drain(|slot, run| match of_this(slot) {
            true => writer.write(Table::Timers, step, slot, Epoch(1), run),
            false => Ok(()),
        });
        written.unwrap();
        if of_this(position_slot(&input.id, "file.txt")) {
            let written = writer.write_position(source, "file.txt", Epoch(1), &sealed);
            written.unwrap();
        }
        writer.commit(Epoch(1)).unwrap();
    }
    dir
}

#[test]
fn init_makes_a_store_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap();
    let text = "made 2 partitions for flow `orders` in `DIR`\n";
    check(&path, "init DIR 2", text);
    check_problem(
        &path,
        "init DIR 2",
        "`DIR/part-0.sqlite3` is already a recovery partition, nothing was changed; run the flow \
         on it, or use an empty directory\n",
    );
    check_problem(
        &path,
        "init NEW 2",
        "the recovery directory `DIR/new` does not exist; create it, or name the right one\n",
    );
}

#[test]
fn show_sets_all_in_tables() {
    let dir = store(2);
    let (text, problem) = run(dir.path(), "show DIR");
    assert_eq!(problem, None);
    let expected = "\
flow   orders
store  ..
next   execution 1, from epoch 2

partition  complete epoch  oldest epoch  bytes  free  file
        0               1             1  81920     0  DIR/part-0.sqlite3
        1               1             1  81920     0  DIR/part-1.sqlite3

execution  first epoch  processes  workers  started at
        0            1          1        3  1970-01-01T00:00:00+00:00

step          kind      keys  positions  rows  bytes  schema
orders.input  source       0          1     0      0  `u64` version 1
orders.total  stateful     2          0     2    128  `u64` version 1
";
    assert_eq!(text, expected);
}

#[test]
fn show_is_json_too() {
    let dir = store(1);
    let (text, problem) = run(dir.path(), "show DIR --json");
    assert_eq!(problem, None);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["flow"], "orders");
    assert_eq!(json["store"].as_str().unwrap().len(), 32);
    assert_eq!(
        json["next"],
        serde_json::json!({ "execution": 1, "epoch": 2 })
    );
    assert_eq!(json["partitions"][0]["complete_epoch"], 1);
    assert_eq!(json["executions"][0]["workers"], 3);
    let total = &json["steps"][1];
    assert_eq!(
        (&total["id"], &total["kind"]),
        (&"orders.total".into(), &"stateful".into())
    );
    assert_eq!(
        (&total["keys"], &total["schema"]),
        (&2.into(), &"`u64` version 1".into())
    );
    let fingerprint = format!("{:016x}", u64::SCHEMA.fingerprint);
    assert_eq!(total["fingerprint"], fingerprint);
}

#[test]
fn a_store_that_cannot_be_resumed_is_shown_and_refused() {
    let dir = store(2);
    let file = &discover(&[dir.path()]).unwrap()[0].file;
    let pristine = tempfile::tempdir().unwrap();
    std::fs::copy(file, pristine.path().join("old")).unwrap();
    for index in 0..2 {
        let part = discover(&[dir.path()]).unwrap().swap_remove(index);
        let mut writer = part.lock().unwrap().writer().unwrap();
        for epoch in 2..4 {
            writer.commit(Epoch(epoch)).unwrap();
        }
        writer.collect(Epoch(4)).unwrap();
    }
    std::fs::copy(pristine.path().join("old"), file).unwrap();
    let (text, problem) = run(dir.path(), "show DIR");
    assert!(
        text.contains("next   none: the partitions do not fit together\n"),
        "{text}"
    );
    assert!(
        problem
            .unwrap()
            .starts_with("recovery partitions do not fit together: `DIR/part-0")
    );
    let (text, problem) = run(dir.path(), "verify DIR");
    assert!(
        text.starts_with("recovery partitions do not fit together"),
        "{text}"
    );
    assert!(problem.unwrap().starts_with("1 problem found in "));
}

#[test]
fn verify_counts_what_it_read() {
    let dir = store(3);
    check(dir.path(), "verify DIR", "4 rows read, all sound\n");
}

#[test]
fn dump_shows_a_key_with_its_state_and_its_time() {
    let dir = store(2);
    let fingerprint = format!("{:016x}", u64::SCHEMA.fingerprint);
    let hash = format!("{:016x}", "ada".to_owned().stable_hash());
    let expected = format!(
        "\
step    orders.total (stateful)
schema  `u64` version 1, fingerprint {fingerprint}

key        616461
hash       {hash} (slot 47)
saved as   version 1, fingerprint {fingerprint}
state      fb2c01
waits for  1970-01-01T00:01:00+00:00
"
    );
    check(
        dir.path(),
        "dump DIR --step orders.total --key ada",
        &expected,
    );
    check(
        dir.path(),
        "dump DIR --step orders.total --key-bytes 616461",
        &expected,
    );
    check_problem(
        dir.path(),
        "dump DIR --step orders.total --key -7",
        "step `orders.total` has no state for the key `-7`, neither as a text nor as an integer; \
         look for a key of another type by its bytes, with `--key-bytes`\n",
    );
    check_problem(
        dir.path(),
        "dump DIR --step orders.totals --key ada",
        "the store has no step `orders.totals`; the steps with saved state are orders.input, \
         orders.total\n",
    );
}

#[test]
fn dump_shows_a_position() {
    let dir = store(2);
    let fingerprint = format!("{:016x}", u64::SCHEMA.fingerprint);
    let expected = format!(
        "\
step    orders.input (source)
schema  `u64` version 1, fingerprint {fingerprint}

partition  file.txt
saved as   version 1, fingerprint {fingerprint}
position   fb2c01
"
    );
    check(
        dir.path(),
        "dump DIR --step orders.input --key file.txt",
        &expected,
    );
    check_problem(
        dir.path(),
        "dump DIR --step orders.input --key other.txt",
        "step `orders.input` has no position of a partition `other.txt`\n",
    );
}

#[test]
fn repartition_copies_and_drop_step_removes() {
    let dir = store(2);
    let path = dir.path().canonicalize().unwrap();
    check_problem(
        &path,
        "repartition DIR 5 NEW",
        "the recovery directory `DIR/new` does not exist; create it, or name the right one\n",
    );
    std::fs::create_dir(path.join("new")).unwrap();
    let text = "copied the state in `DIR` to 5 partitions in `DIR/new`\n";
    check(&path, "repartition DIR 5 NEW", text);
    check(&path, "verify NEW", "3 rows read, all sound\n");
    let text = "dropped all that was saved for step `orders.total`\n";
    check(&path, "drop-step NEW --step orders.total", text);
    check(&path, "verify NEW", "1 row read, all sound\n");
    check(&path, "verify DIR", "3 rows read, all sound\n");
}

/// Two programs, whose states look the same: the least and the greatest number.
fn program(is_least: bool) -> Dataflow {
    let marks = [TestingItem::Item(3_u64), TestingItem::Abort];
    Dataflow::build("orders", |flow| {
        let numbers = flow
            .input(TestingSource::with_marks(marks))
            .named("numbers");
        let keyed = numbers.key_on(|_| "all".to_owned());
        let found = match is_least {
            true => keyed.min_final(|number| *number),
            false => keyed.max_final(|number| *number),
        };
        let found = found.named("found");
        found.key_rm().output(TestingSink::new()).named("out");
    })
}

/// Runs a program until it crashes, after an epoch.
fn crash(program: Dataflow, dir: &Path) {
    let config = RunConfig::new()
        .epoch_interval(Duration::ZERO)
        .recovery(RecoveryConfig::new(dir));
    cluster_main(program, config).unwrap();
}

/// As a copy of a store, a migration acts on nothing that was read before the lock.
#[test]
fn a_store_that_another_program_uses_before_it_is_locked_is_not_migrated() {
    let place = tempfile::tempdir().unwrap();
    let dirs = [place.path().join("store")];
    crash(program(true), &dirs[0]);
    try_resume(&program(true), &dirs).unwrap();
    std::fs::remove_dir_all(&dirs[0]).unwrap();
    crash(program(false), &dirs[0]);
    let before = recovery::show(&dirs).unwrap();
    assert!(before.steps.iter().any(|step| step.keys == 1));
    let refused = migrate::rewrite(&program(true), &dirs).err().unwrap();
    let text = refused.report();
    assert!(
        text.starts_with("cannot resume `orders`: ") && text.contains("`max_final`"),
        "{text}"
    );
    let after = recovery::show(&dirs).unwrap();
    assert_eq!(after.resume, before.resume);
    assert_eq!(after.executions, before.executions);
    let schemas = |info: &recovery::StoreInfo| -> Vec<String> {
        let lines = info.steps.iter().map(|step| step.meta.schema_line());
        lines.collect()
    };
    assert_eq!(schemas(&after), schemas(&before));
    migrate::rewrite(&program(false), &dirs).unwrap();
    try_resume(&program(false), &dirs).unwrap();
}

#[test]
fn a_store_is_not_migrated_beside_a_run() {
    let place = tempfile::tempdir().unwrap();
    let dirs = [place.path().join("store")];
    crash(program(true), &dirs[0]);
    let before = recovery::show(&dirs).unwrap().executions;
    let parts = discover(&dirs).unwrap();
    let held = recovery::lock_all(parts).unwrap();
    for migrate in [migrate::migrate, migrate::rewrite] {
        let refused = migrate(&program(true), &dirs).err().unwrap().report();
        assert!(
            refused.contains("part-0.sqlite3` is in use by another process; stop that run"),
            "{refused}"
        );
    }
    drop(held);
    assert_eq!(recovery::show(&dirs).unwrap().executions, before);
    migrate::migrate(&program(true), &dirs).unwrap();
}

/// The watermarks of a window step are saved as positions, and are not of the type of its states.
#[test]
fn windows_with_a_watermark_are_migrated() {
    let place = tempfile::tempdir().unwrap();
    let dirs = [place.path().join("store")];
    let program = || {
        let time = |second: &u64| Micros(i64::try_from(*second).unwrap() * 1_000_000);
        let marks = [3, 14, 15].map(TestingItem::Item);
        let marks = marks.into_iter().chain([TestingItem::Abort]);
        let source = TestingSource::with_marks(marks).batch_size(1);
        Dataflow::build("orders", |flow| {
            let seconds = flow.input(source.clone()).named("seconds");
            let lateness = Lateness::bounded(TimeDelta::zero());
            let timed = seconds.event_time(time, lateness).named("time").down;
            let tens = TumblingWindower::new(TimeDelta::seconds(10), DateTime::UNIX_EPOCH);
            let keyed = timed.key_on(|_| "all".to_owned());
            let counts = keyed.count_window(StreamClock::new(time), tens);
            let counts = counts.named("counts").down.key_rm();
            counts.output(TestingSink::new()).named("out");
        })
    };
    crash(program(), &dirs[0]);
    let steps = recovery::show(&dirs).unwrap().steps;
    let counts = steps
        .iter()
        .find(|step| step.meta.id == StepId::new("orders.counts"));
    assert_ne!(counts.unwrap().positions, 0, "the watermark is saved");
    migrate::migrate(&program(), &dirs).unwrap();
    try_resume(&program(), &dirs).unwrap();
}

#[test]
fn bytes_are_hexadecimal() {
    assert_eq!("0aFf".parse(), Ok(args::Hex(vec![10, 255])));
    let text = "give an even number of hexadecimal digits, such as `0aff`";
    for wrong in ["0", "0x", "é0"] {
        assert_eq!(wrong.parse::<args::Hex>(), Err(text.to_owned()));
    }
}

#[test]
fn restore_makes_what_a_backup_holds() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap();
    check_problem(
        &path,
        "restore DIR NEW",
        "the backup holds nothing of flow `orders`; name the backup that does, or give the name of \
         the flow as it is in the program\n",
    );
    check_problem(
        &path,
        "restore file:// NEW",
        "the name of the directory is empty\n",
    );
    let backup = recovery::open_backup(path.to_str().unwrap()).unwrap();
    let made = tempfile::tempdir().unwrap();
    recovery::begin(
        &*backup,
        made.path(),
        "orders",
        crate::ResumePolicy::Allow,
        3,
    )
    .unwrap();
    let text = "restored 3 partitions of flow `orders` in `DIR/new`; the next run begins with epoch \
                1\n";
    check(&path, "restore DIR NEW", text);
    check(&path, "verify NEW", "0 rows read, all sound\n");
}
