use bytewax::chrono::{DateTime, TimeDelta};
use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;
use bytewax::windowing::{EventClock, Millis, TumblingWindower};

fn main() {
    let _flow = dataflow!("windowed", |flow| {
        let times = flow.input(TestingSource::new([('a', 1_i64)]));
        let counts = times.count_window(
            EventClock::new(|ms: &i64| Millis(*ms), TimeDelta::seconds(5)),
            TumblingWindower::new(TimeDelta::seconds(20), DateTime::UNIX_EPOCH),
        );
        counts.down.output(StdOutSink::debug());
    });
}
