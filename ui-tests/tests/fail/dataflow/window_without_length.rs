use bytewax::chrono::{DateTime, TimeDelta};
use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;
use bytewax::windowing::{SystemClock, TumblingWindower};

fn main() {
    let _flow = dataflow!("f", |flow| {
        let pairs = flow.input(TestingSource::new(vec![(1_u64, 2_u64)]));
        let windower = TumblingWindower::new(TimeDelta::minutes(0), DateTime::UNIX_EPOCH);
        let counts = pairs.count_window(SystemClock::new(), windower);
        counts.down.output(StdOutSink::debug());
    });
}
