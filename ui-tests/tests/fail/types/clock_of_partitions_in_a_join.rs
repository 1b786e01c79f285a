use bytewax::chrono::{DateTime, TimeDelta};
use bytewax::connectors::stdio::StdOutSink;
use bytewax::operators::JoinInsert;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;
use bytewax::windowing::{EventClock, Millis, TumblingWindower};

fn main() {
    let _flow = dataflow!("f", |flow| {
        let left = flow.input(TestingSource::new([('a', 1_i64)]));
        let right = flow.input(TestingSource::new([('a', 2_i64)]));
        let clock = EventClock::per_partition(|ms: &i64| Millis(*ms), TimeDelta::zero());
        let minutes = TumblingWindower::new(TimeDelta::minutes(1), DateTime::UNIX_EPOCH);
        let rows = left.join_window(right, clock, minutes, JoinInsert::Last);
        rows.down.output(StdOutSink::debug());
    });
}
