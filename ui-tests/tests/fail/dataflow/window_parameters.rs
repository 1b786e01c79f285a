use bytewax::chrono::{DateTime, TimeDelta, Utc};
use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;
use bytewax::windowing::{CountWindower, EventClock, SystemClock, TumblingWindower};

fn main() {
    let _flow = dataflow!("f", |flow| {
        let pairs = flow.input(TestingSource::new(vec![(1_u64, DateTime::UNIX_EPOCH)]));
        let clock = EventClock::new(|at: &DateTime<Utc>| *at, TimeDelta::seconds(-10));
        let minutes = TumblingWindower::new(TimeDelta::minutes(1), DateTime::UNIX_EPOCH)
            .allow_late(TimeDelta::hours(-1));
        let by_time = pairs.clone().count_window(clock, minutes);
        by_time.down.output(StdOutSink::debug());
        let by_number = pairs.count_window(SystemClock::new(), CountWindower::new(10).every(0));
        by_number.down.output(StdOutSink::debug());
    });
}
