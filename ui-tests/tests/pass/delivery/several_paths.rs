use bytewax::connectors::files::{DirSink, FileSink};
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

pub(super) fn main() {
    let _flow = dataflow!("orders", delivery = exactly_once, |flow| {
        let eu = flow.input(TestingSource::new([1_u64, 2]));
        let us = flow.input(TestingSource::new([3_u64, 4]));
        let orders = flow.merge(vec![eu, us.clone()]);
        let parity = orders.branch(|n| n % 2 == 0);
        parity.trues.key_on(|n| *n).output(DirSink::new("even", 2));
        let joined = (parity.falses.key_on(|n| *n), us.key_on(|n| *n)).join();
        let texts = joined.map(|(n, _)| n.to_string());
        texts.output(FileSink::new("odd.txt"));
    });
}
