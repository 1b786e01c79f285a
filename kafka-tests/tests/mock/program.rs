//! What the program `copy` does when brokers do not answer.

use std::time::Duration;

use kafka_tests::{Program, produce, values};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::util::cluster;

const COPY: &str = env!("CARGO_BIN_EXE_copy");

#[test]
fn brokers_that_are_down_at_the_start_are_waited_for() {
    let (cluster, brokers) = cluster(1, &[("in", 1), ("out", 1)]);
    produce(&brokers, "in", 0, ["a", "b", "c"]);
    cluster.broker_down(1).unwrap();
    let args = ["--brokers", &brokers, "--from", "in", "--to", "out"];
    let copy = Program::start(COPY, &args);
    let note = copy.wait_for_note("the client retries");
    assert!(note.starts_with("step `copy.messages`: Kafka: "), "{note}");
    cluster.broker_up(1).unwrap();
    copy.wait_for_lines(3);
    let (status, _, notes) = copy.terminate();
    assert_eq!(status.code(), Some(143), "{notes}");
    assert_eq!(values(&brokers, "out"), ["a", "b", "c"]);
}

#[test]
fn a_wait_at_the_start_can_be_stopped() {
    let (cluster, brokers) = cluster(1, &[("in", 1), ("out", 1)]);
    cluster.broker_down(1).unwrap();
    let args = ["--brokers", &brokers, "--from", "in", "--to", "out"];
    let copy = Program::start(COPY, &args);
    let _ = copy.wait_for_note("the client retries");
    let (status, took, notes) = copy.terminate();
    assert_eq!(status.code(), Some(143), "{notes}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(notes.contains("stopped by SIGTERM"), "{notes}");
}

#[test]
fn a_stop_does_not_wait_for_a_blocked_producer() {
    let (cluster, brokers) = cluster(1, &[("in", 1), ("out", 1)]);
    produce(&brokers, "in", 0, (0..100).map(|n| n.to_string()));
    // The client tries again and again to write.
    let passing = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS;
    cluster.request_errors(RDKafkaApiKey::Produce, &vec![passing; 100_000]);
    let args = ["--brokers", &brokers, "--from", "in", "--to", "out"];
    let args = [&args[..], &["--stop-timeout", "2"]].concat();
    let copy = Program::start(COPY, &args);
    // Then all are to be written, and no more than 10 have room.
    copy.wait_for_lines(100);
    let (status, took, notes) = copy.terminate();
    assert_eq!(status.code(), Some(143), "{notes}");
    // The worker itself has ended: the process would be ended without it 5 s later.
    assert!(
        notes.contains("before the last epoch was complete"),
        "{notes}"
    );
    assert!(!notes.contains("a worker does not end"), "{notes}");
    assert!(took < Duration::from_secs(7), "{took:?}");
}
