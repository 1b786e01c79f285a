//! The ids of whole programs; a change here is a change of where users find their state.

use super::{expand_body, messages, names_of};

#[track_caller]
fn check(body: &str, expect: &[&str]) {
    assert_eq!(messages(expand_body(body)), [""; 0]);
    assert_eq!(names_of(body), expect);
}

#[test]
fn wordcount() {
    check(
        r#"
        let lines = flow.input(FileSource::new(path));
        let words = lines.flat_map(|line: String| words(&line));
        let counts = words.key_on(|word| word.clone()).count_final();
        counts.output(StdOutSink::debug());
        "#,
        &[
            "lines.input",
            "words.flat_map",
            "counts.key_on",
            "counts.count_final",
            "counts.output",
        ],
    );
}

#[test]
fn running_sum() {
    check(
        r#"
        let numbers = flow.input(TestingSource::new(numbers));
        let keyed = numbers.key_on(|_| "ALL".to_string());
        let total = keyed.stateful_map(|sum: &mut i64, n| {
            *sum += n;
            *sum
        });
        total.output(StdOutSink::debug());
        "#,
        &[
            "numbers.input",
            "keyed.key_on",
            "total.stateful_map",
            "total.output",
        ],
    );
}

#[test]
fn windows() {
    check(
        r#"
        let clicks = flow.input(TestingSource::new(clicks));
        let by_user = clicks.key_on(|click: &Click| click.user.clone());
        let counts = by_user.count_window(
            EventClock::new(|click: &Click| click.at, TimeDelta::seconds(10)),
            TumblingWindower::new(TimeDelta::minutes(1), midnight),
        );
        counts
            .down
            .map(|(user, (window, n))| format!("{user} window {window}: {n}"))
            .output(StdOutSink::new());
        counts
            .late
            .map(|(user, (window, _))| format!("{user} window {window}: late"))
            .output(StdOutSink::new());
        "#,
        &[
            "clicks.input",
            "by_user.key_on",
            "counts.count_window",
            "counts.down.map",
            "counts.down.output",
            "counts.late.map",
            "counts.late.output",
        ],
    );
}

#[test]
fn checkout() {
    check(
        r#"
        let events = flow
            .input(TestingSource::new(events))
            .key_on(|event| event.0)
            .map_value(|event| event.1);
        let carts = events.stateful::<Cart>();
        let names = flow
            .input(TestingSource::new(names))
            .key_on(|name| name.0)
            .map_value(|name| name.1);
        let named = carts.join(names);
        named
            .map(|(user, (cart, name))| format!("{user} {name}: {cart}"))
            .output(StdOutSink::new());
        "#,
        &[
            "events.input",
            "events.key_on",
            "events.map_value",
            "carts.stateful",
            "names.input",
            "names.key_on",
            "names.map_value",
            "named.join",
            "named.map",
            "named.output",
        ],
    );
}

#[test]
fn orders() {
    check(
        r#"
        let raw = flow.input(KafkaSource::new(&brokers, ["orders"]));
        let parsed = raw.try_map(|message: &KafkaMessage| {
            serde_json::from_slice::<Order>(message.value_bytes())
        });
        let fresh = dedupe(parsed.oks.key_on(|order: &Order| order.item.clone()), 100);
        let priced = fresh.map(|(_, order)| Priced {
            id: order.id,
            cents: 100 * u64::from(order.count),
        });
        priced
            .map(|order: Priced| KafkaMessage::json(&order).with_key(order.id.to_string()))
            .output(KafkaSink::new(&brokers, "priced"));
        parsed
            .errs
            .map(|bad| bad.item.with_header("error", bad.error))
            .output(KafkaSink::new(&brokers, "dead_letters"));
        "#,
        &[
            "raw.input",
            "parsed.try_map",
            "fresh.key_on",
            "fresh.*",
            "priced.map",
            "priced.map_2",
            "priced.output",
            "parsed.errs.map",
            "parsed.errs.output",
        ],
    );
}

#[test]
fn sensors() {
    check(
        r#"
        let readings = flow.input(Sensors {
            count: 3,
            readings: 7,
        });
        let by_sensor = readings.key_on(|reading| reading.0 as u64);
        let means = by_sensor.stateful_map(|mean: &mut Mean, (_, celsius)| {
            mean.sum += celsius;
            mean.count += 1;
            mean.sum / mean.count as f64
        });
        means
            .map(|(sensor, mean)| format!("sensor {sensor}: {mean:.1}"))
            .output(print_all());

        let beats = flow.input(ticks(Duration::from_millis(10), 3));
        beats.map(|n| format!("tick {n}")).output(print_all());
        "#,
        &[
            "readings.input",
            "by_sensor.key_on",
            "means.stateful_map",
            "means.map",
            "means.output",
            "beats.input",
            "beats.map",
            "beats.output",
        ],
    );
}
