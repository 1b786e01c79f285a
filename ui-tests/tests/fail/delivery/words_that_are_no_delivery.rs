use bytewax::prelude::*;

fn main() {
    dataflow!("copy", delivery = exactly-once, deliver = at_least_once, |flow| {
        let lines = flow.input(bytewax::connectors::files::FileSource::new("in.txt"));
        lines.output(bytewax::connectors::files::FileSink::new("out.txt"));
    });
}
