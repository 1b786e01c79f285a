use bytewax::chrono::{DateTime, TimeDelta};
use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;
use bytewax::windowing::{EventClock, Millis, TumblingWindower};

/// All but the windower and the clock may change, and be written in other words.
pub(super) fn main() {
    let _flow = dataflow!("windowed", |flow| {
        let times = flow.input(TestingSource::new([('a', 1_i64)]));
        let counts = times.count_window(
            EventClock::per_partition(|ms: &i64| Millis(*ms), TimeDelta::hours(1))
                .idle_after(TimeDelta::minutes(1)),
            TumblingWindower::new(TimeDelta::milliseconds(10_000), DateTime::UNIX_EPOCH)
                .allow_late(TimeDelta::minutes(1)),
        );
        counts.down.output(StdOutSink::debug());
    });
}
