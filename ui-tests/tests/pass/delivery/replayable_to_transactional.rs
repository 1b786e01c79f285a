use bytewax::connectors::files::{FileSink, FileSource};
use bytewax::prelude::*;

pub(super) fn main() {
    let _flow = dataflow!("copy", delivery = exactly_once, |flow| {
        let lines = flow.input(FileSource::new("in.txt"));
        let long = lines.filter(|line| line.len() > 10);
        long.output(FileSink::new("out.txt"));
    });
}
