use bytewax::connectors::files::{FileSink, FileSource};
use bytewax::connectors::stdio::StdInSource;
use bytewax::prelude::*;

pub(super) fn main() {
    let _flow = dataflow!("copy", delivery = exactly_once, |flow| {
        // No sink depends on what is only looked at.
        let typed = flow.input(StdInSource::new());
        typed.inspect(|line| println!("{line}"));
        let lines = flow.input(FileSource::new("in.txt"));
        lines.output(FileSink::new("out.txt"));
    });
}
