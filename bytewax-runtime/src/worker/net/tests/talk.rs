//! What connected processes tell each other.

use std::io::Write;
use std::net::Shutdown;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use super::super::StopReason;
use super::super::connect::Connections;
use super::super::hello::{Hello, Role};
use super::super::message::MAX_ANSWER;
use super::util::{
    Heard, LONG, cluster, connect_all, identity, next, processes, rest, shake, succeed,
};

fn started(connected: &[Connections]) -> Vec<Receiver<String>> {
    connected.iter().map(Heard::start).collect()
}

fn addresses(connected: &[Connections]) -> Vec<String> {
    connected[0].control.addresses().to_vec()
}

#[test]
fn a_failure_reaches_all_and_is_the_only_news() {
    let connected = cluster(3);
    let heard = started(&connected);
    connected[1].control.failed(Some("wordcount.split"), "boom");
    for index in [0, 2] {
        assert_eq!(
            next(&heard[index]),
            "process 1 failed in wordcount.split: boom"
        );
    }
    // That the others leave is no loss.
    let threads: Vec<_> = connected
        .into_iter()
        .map(|c| thread::spawn(move || c.control.close()))
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
    for heard in heard {
        assert_eq!(rest(&heard), Vec::<String>::new());
    }
}

#[test]
fn last_words_before_a_close_arrive() {
    let connected = cluster(2);
    let heard = started(&connected);
    connected[0].control.failed(None, "boom");
    connected[0].control.close();
    assert_eq!(next(&heard[1]), "process 0 failed in no step: boom");
    drop(connected);
    assert_eq!(rest(&heard[1]), Vec::<String>::new());
}

#[test]
fn a_stop_reaches_all() {
    let connected = cluster(3);
    let heard = started(&connected);
    connected[2].control.stop(StopReason::Interrupted);
    for index in [0, 1] {
        assert_eq!(next(&heard[index]), "process 2 stopped: Interrupted");
    }
    drop(connected);
    for heard in heard {
        assert_eq!(rest(&heard), Vec::<String>::new());
    }
}

#[test]
fn a_question_goes_to_all_and_its_answer_to_the_one_that_asked() {
    let connected = cluster(3);
    let heard = started(&connected);
    connected[0].control.ask(7, 3);
    for index in [1, 2] {
        assert_eq!(next(&heard[index]), "process 0 asks 7: 3");
        let text = format!("of {index} ").repeat(20_000);
        connected[index].control.answer(0, 7, text.clone());
        assert_eq!(
            next(&heard[0]),
            format!("process {index} answers 7: {text}")
        );
    }
    // There is no such process.
    connected[0].control.answer(9, 7, String::new());
    connected[0].control.ask(8, 0);
    assert_eq!(next(&heard[1]), "process 0 asks 8: 0");
}

#[test]
fn a_step_of_a_savepoint_goes_to_all_and_what_came_of_it_to_the_one_that_wants_it() {
    let connected = cluster(3);
    let heard = started(&connected);
    let text = "s".repeat(100_000);
    connected[1].control.step(7, &text);
    for index in [0, 2] {
        assert_eq!(
            next(&heard[index]),
            format!("process 1 wants step 7: {text}")
        );
        connected[index].control.stepped(1, 7, index.to_string());
        assert_eq!(
            next(&heard[1]),
            format!("process {index} took step 7: {index}")
        );
    }
}

#[test]
fn credits_arrive_where_they_are_sent() {
    let connected = cluster(3);
    let heard = started(&connected);
    connected[0].control.credit(2, 4, 1, 100);
    assert_eq!(next(&heard[2]), "credit 4 1 100");
    connected[0].control.credit(2, 5, 0, 7);
    assert_eq!(next(&heard[2]), "credit 5 0 7");
    // There is no such process, and no connection to oneself.
    connected[0].control.credit(9, 4, 1, 100);
    connected[0].control.credit(0, 4, 1, 100);
    connected[2].control.failed(None, "enough");
    assert_eq!(next(&heard[0]), "process 2 failed in no step: enough");
    assert_eq!(next(&heard[1]), "process 2 failed in no step: enough");
}

#[test]
fn all_take_leave() {
    let connected = cluster(3);
    let heard = started(&connected);
    let threads: Vec<_> = connected
        .into_iter()
        .map(|c| thread::spawn(move || c.control.bye(LONG)))
        .collect();
    for thread in threads {
        assert!(thread.join().expect("no panic"));
    }
    for heard in heard {
        assert_eq!(rest(&heard), Vec::<String>::new());
    }
}

#[test]
fn who_took_leave_is_not_lost() {
    let connected = cluster(2);
    let heard = started(&connected);
    // The other one says nothing, so this one goes when its time is over.
    assert!(!connected[0].control.bye(Duration::from_millis(50)));
    connected[1].control.failed(None, "too late");
    connected[1].control.close();
    drop(connected);
    assert_eq!(rest(&heard[1]), Vec::<String>::new());
}

#[test]
fn a_failure_while_taking_leave_is_heard() {
    let connected = cluster(2);
    let heard = started(&connected);
    let mut connected = connected.into_iter();
    let (first, second) = (
        connected.next().expect("two"),
        connected.next().expect("two"),
    );
    let leaving = thread::spawn(move || first.control.bye(LONG));
    second.control.failed(None, "cannot close");
    assert_eq!(next(&heard[0]), "process 1 failed in no step: cannot close");
    second.control.close();
    assert!(!leaving.join().expect("no panic"));
}

#[test]
fn a_lost_peer_is_reported_once() {
    let connected = cluster(3);
    let heard = started(&connected);
    let gone = addresses(&connected)[1].clone();
    // Both connections of process 1 end without a word.
    connected[1].control.cut();
    let expected = format!("process 1 at `{gone}` is gone: connection closed");
    assert_eq!(next(&heard[0]), expected);
    assert_eq!(next(&heard[2]), expected);
    drop(connected);
    assert_eq!(rest(&heard[0]), Vec::<String>::new());
    assert_eq!(rest(&heard[2]), Vec::<String>::new());
}

#[test]
fn a_loss_that_only_one_sees_reaches_the_others() {
    let connected = cluster(3);
    let heard = started(&connected);
    let addresses = addresses(&connected);
    connected[0]
        .control
        .socket(1)
        .shutdown(Shutdown::Both)
        .expect("open");
    // Which end sees it first is open, but each process hears of a loss once.
    let known = [
        format!("process 1 at `{}` is gone: connection closed", addresses[1]),
        format!("process 0 at `{}` is gone: connection closed", addresses[0]),
    ];
    // Process 2 may pass the news on before the other end looks itself.
    let told_by = |process: usize| {
        format!(
            "process {process} at `{}` has lost the connection to this process",
            addresses[process]
        )
    };
    assert!([known[0].clone(), told_by(1)].contains(&next(&heard[0])));
    assert!([known[1].clone(), told_by(0)].contains(&next(&heard[1])));
    assert!(known.contains(&next(&heard[2])));
    drop(connected);
    for heard in heard {
        assert_eq!(rest(&heard), Vec::<String>::new());
    }
}

#[test]
fn a_silent_peer_is_lost_and_a_busy_one_is_not() {
    let mut all = processes(2);
    // Process 0 gives signs of life too rarely for process 1.
    all[0].timing.heartbeat = LONG;
    all[1].timing.heartbeat = Duration::from_millis(20);
    all[0].timing.silence = Duration::from_secs(20);
    all[1].timing.silence = Duration::from_millis(200);
    let address = all[0].peers.addresses[0].clone();
    let connected = succeed(connect_all(all));
    let heard = started(&connected);
    assert_eq!(
        next(&heard[1]),
        format!("process 0 at `{address}` has been silent for 200 ms")
    );
    assert!(next(&heard[0]).ends_with("has lost the connection to this process"));
}

#[test]
fn a_peer_that_never_says_anything_is_lost() {
    let mut first = processes(2).remove(0);
    first.timing.first = Duration::from_millis(300);
    let addresses = first.peers.addresses.clone();
    let first = first.spawn();
    // A process that connects, and is then as good as gone.
    let silent = [Role::Data, Role::Control].map(|role| {
        let hello = Hello {
            role,
            from: 1,
            to: 0,
            instance: 5,
            identity: identity(2),
        };
        shake(&addresses[0], &hello)
    });
    let connected = succeed(vec![first.join().expect("no panic")]);
    let heard = started(&connected);
    assert_eq!(
        next(&heard[0]),
        format!("process 1 at `{}` has been silent for 300 ms", addresses[1])
    );
    drop(silent);
}

/// A long answer is cut into pieces, so it holds up nothing.
#[test]
fn an_epoch_overtakes_a_long_answer() {
    let connected = cluster(2);
    // Nobody reads yet, so the answer fills the buffers of the system, which have room for a part of it.
    let text = "x".repeat(MAX_ANSWER);
    connected[0].control.answer(1, 3, text.clone());
    connected[0].control.epoch(9);
    let second = Heard::start(&connected[1]);
    assert_eq!(next(&second), "epoch 9");
    let answer = next(&second);
    assert!(answer == format!("process 0 answers 3: {text}"));
}

#[test]
fn a_peer_that_talks_nonsense_is_lost() {
    let connected = cluster(2);
    let heard = started(&connected);
    (&mut connected[0].control.socket(1))
        .write_all(&[77])
        .expect("open");
    let text = next(&heard[1]);
    assert!(
        text.ends_with("is gone: it sent an invalid message"),
        "{text}"
    );
}

#[test]
fn a_lost_data_connection_is_a_lost_peer() {
    let connected = cluster(2);
    let heard = started(&connected);
    let gone = addresses(&connected)[0].clone();
    let mut data = connected
        .into_iter()
        .map(|c| (c.data, c.control))
        .collect::<Vec<_>>();
    let stream = data[1].0[0].take().expect("a connection");
    drop(data[0].0[1].take());
    data[0].1.link(1).release();
    let mut stream = stream;
    let mut bytes = [1; 100];
    let read = std::io::Read::read(&mut stream, &mut bytes).expect("a proper end");
    assert_eq!(bytes[..read], [0; 48]);
    assert_eq!(
        std::io::Read::read(&mut stream, &mut bytes).expect("the end"),
        0
    );
    assert_eq!(
        next(&heard[1]),
        format!("process 0 at `{gone}` is gone: connection closed")
    );
}
