use bytewax::connectors::files::FileSink;
use bytewax::connectors::stdio::StdInSource;
use bytewax::prelude::*;

fn main() {
    dataflow!("copy", delivery = exactly_once, |flow| {
        let lines = flow.input(StdInSource::new());
        let long = lines.filter(|line| line.len() > 10);
        long.output(FileSink::new("out.txt"));
    });
}
