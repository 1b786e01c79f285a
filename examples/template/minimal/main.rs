//! Adds up even and odd numbers. Replace the source, the steps and the sink by yours.
use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

// It is faster than glibc's allocator when one thread allocates and another frees.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Adds up the even numbers under the key 0, and the odd ones under the key 1.
#[operator]
fn sums(numbers: Stream<u64>) -> KeyedStream<u64, u64> {
    let by_parity = numbers.key_on(|n| n % 2);
    by_parity.stateful_map(|sum: &mut u64, n| {
        *sum += n;
        *sum
    })
}

fn flow() -> Dataflow {
    dataflow!("my_flow", |flow| {
        let numbers = flow.input(TestingSource::new(0..5_u64));
        let sums = sums(numbers);
        sums.output(StdOutSink::debug());
    })
}

fn main() -> bytewax::ExitCode {
    bytewax::run(flow())
}

#[cfg(test)]
mod tests {
    use bytewax::testing::run_items;

    #[test]
    fn sums_are_kept_by_parity() {
        let out = run_items([1, 2, 3], |numbers| super::sums(numbers).named("sums"));
        assert_eq!(out, [(1, 1), (0, 2), (1, 4)]);
    }
}
