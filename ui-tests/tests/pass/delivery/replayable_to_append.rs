use bytewax::connectors::files::FileSource;
use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;

pub(super) fn main() {
    let _flow = dataflow!("show", delivery = at_least_once, |flow| {
        let lines = flow.input(FileSource::new("in.txt"));
        lines.output(StdOutSink::new());
    });
}
