use bytewax::connectors::files::FileSource;
use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;

fn main() {
    dataflow!("show", delivery = exactly_once, |flow| {
        let lines = flow.input(FileSource::new("in.txt"));
        lines.output(StdOutSink::new());
    });
}
