//! A template for your own program: copy it, and insert your source, steps and sink.
use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

// glibc's allocator is slow when one thread allocates and another frees. With mimalloc, a word count on two workers is
// about twice as fast; see the README.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn flow() -> Dataflow {
    dataflow!("template", |flow| {
        let numbers = flow.input(TestingSource::new(0..5_u64));
        let by_parity = numbers.key_on(|n| n % 2);
        let sums = by_parity.reduce_final(|a, b| a + b);
        sums.output(StdOutSink::debug());
    })
}

fn main() -> bytewax::ExitCode {
    bytewax::run(flow())
}

// Prints:   (0, 6)  (1, 4)
