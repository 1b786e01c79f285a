//! What only real brokers can show of a sink, beside its transactions.

use bytewax::RunError;
use bytewax::connectors::kafka::{KafkaMessage, KafkaSink};
use bytewax::prelude::*;
use bytewax::testing::{TestingSource, run_main};
use kafka_tests::{saving, values};

use super::util::{brokers, delete_topic, topic, unique};

#[test]
#[ignore = "needs Apache Kafka: `.ci/kafka`"]
fn a_topic_that_is_not_there_to_write_to() {
    let brokers = brokers();
    let flow = Dataflow::build("write", |flow| {
        let numbers = flow.input(TestingSource::new(0..3)).named("numbers");
        let messages = numbers
            .map(|n| KafkaMessage::new(n.to_string()))
            .named("messages");
        let sink = KafkaSink::new(&brokers, "no-such-topic").append();
        let sink = sink.setting("message.timeout.ms", "5000");
        messages
            .output(sink.setting("topic.metadata.propagation.max.ms", "500"))
            .named("out");
    });
    let report = run_main(flow).unwrap_err().report();
    assert!(
        report.contains("cannot be written to the topic `no-such-topic`"),
        "{report}"
    );
    assert!(report.contains("create the topic"), "{report}");
}

/// The settings that tell a missing topic soon.
fn soon<D>(sink: KafkaSink<D>) -> KafkaSink<D> {
    sink.setting("message.timeout.ms", "10000")
        .setting("topic.metadata.refresh.interval.ms", "500")
        .setting("topic.metadata.propagation.max.ms", "500")
}

#[test]
#[ignore = "needs Apache Kafka: `.ci/kafka`"]
fn a_topic_that_is_deleted_while_it_is_written() {
    let (brokers, topic) = (brokers(), topic("deleted", 1));
    let gone = topic.clone();
    let flow = Dataflow::build("write", |flow| {
        let numbers = flow.input(TestingSource::new(0..1000)).named("numbers");
        let messages = numbers.map(move |n| {
            if n == 100 {
                delete_topic(&gone);
            }
            KafkaMessage::new(n.to_string()).with_key("k")
        });
        let sink = soon(KafkaSink::new(&brokers, &topic).append());
        messages.named("messages").output(sink).named("out");
    });
    let report = run_main(flow).unwrap_err().report();
    assert!(report.contains("step `write.out`"), "{report}");
    assert!(
        report.contains(&format!("cannot be written to the topic `{topic}`")),
        "{report}"
    );
    assert!(report.contains("create the topic"), "{report}");
}

/// Writes one message in a transaction.
fn write_in_transaction(
    name: &str,
    sink: &KafkaSink,
    message: &KafkaMessage,
    store: &std::path::Path,
) -> Result<(), RunError> {
    let flow = Dataflow::build(name, |flow| {
        let source = TestingSource::new([message.clone()]);
        let messages = flow.input(source).named("messages");
        messages.output(sink.clone()).named("out");
    });
    saving(store).run(flow)
}

#[test]
#[ignore = "needs Apache Kafka: `.ci/kafka`"]
fn a_message_that_is_too_large_for_the_topic() {
    let (brokers, topic, name) = (brokers(), topic("small", 1), unique("write"));
    let dir = tempfile::tempdir().unwrap();
    // The client lets it pass, and the broker does not.
    let sink = KafkaSink::new(&brokers, &topic).setting("message.max.bytes", "10000000");
    let large = KafkaMessage::new(vec![b'x'; 2_000_000]).with_key("big");
    for _ in 0..2 {
        // Nothing is saved of it, so it is the same each time.
        let report = write_in_transaction(&name, &sink, &large, dir.path())
            .unwrap_err()
            .report();
        assert!(
            report.contains("the message with the key `big` and 2000000 bytes"),
            "{report}"
        );
        assert!(
            report.contains("`max.message.bytes` of the topic"),
            "{report}"
        );
    }
    assert_eq!(values(&brokers, &topic), [""; 0]);
}

#[test]
#[ignore = "needs Apache Kafka: `.ci/kafka`"]
fn bad_credentials_of_a_sink() {
    let brokers = std::env::var("KAFKA_SASL_BOOTSTRAP");
    let brokers = brokers.expect("KAFKA_SASL_BOOTSTRAP: run this by `.ci/kafka`");
    let (topic, name) = (topic("secret", 1), unique("write"));
    let sink = |password: &str| {
        KafkaSink::new(&brokers, &topic)
            .setting("security.protocol", "sasl_plaintext")
            .setting("sasl.mechanism", "PLAIN")
            .setting("sasl.username", "alice")
            .setting("sasl.password", password)
    };
    let message = KafkaMessage::new("a");
    let dir = tempfile::tempdir().unwrap();
    let report = write_in_transaction(&name, &sink("hunter2"), &message, dir.path())
        .unwrap_err()
        .report();
    assert!(report.contains("refuse the client"), "{report}");
    assert!(report.contains(&format!("step `{name}.out`")), "{report}");
    assert!(!report.contains("hunter2"), "{report}");
    write_in_transaction(&name, &sink("alice-secret"), &message, dir.path()).unwrap();
    assert_eq!(values(&super::util::brokers(), &topic), ["a"]);
}
