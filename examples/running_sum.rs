//! A running sum that survives a restart: `running_sum NUMBERS.. -- RUN OPTIONS`.
use bytewax::connectors::stdio::StdOutSink;
use bytewax::prelude::*;
use bytewax::testing::TestingSource;

fn running_sum(numbers: Vec<i64>) -> Dataflow {
    dataflow!("running_sum", |flow| {
        let numbers = flow.input(TestingSource::new(numbers));
        let keyed = numbers.key_on(|_| "ALL".to_owned());
        let total = keyed.stateful_map(|sum: &mut i64, n| {
            *sum += n;
            *sum
        });
        total.output(StdOutSink::debug());
    })
}

fn main() -> bytewax::ExitCode {
    let mut args = std::env::args().skip(1);
    let numbers = args.by_ref().take_while(|arg| arg != "--");
    let numbers = numbers.map(|arg| arg.parse().map_err(|_| arg));
    match numbers.collect::<Result<Vec<i64>, String>>() {
        Ok(numbers) => bytewax::run_from(running_sum(numbers), args),
        Err(arg) => {
            eprintln!(
                "error: `{arg}` is not an integer; usage: running_sum NUMBERS.. -- RUN OPTIONS"
            );
            bytewax::ExitCode::from(2)
        }
    }
}

// First run, numbers 0 1 2:   ("ALL", 0)  ("ALL", 1)  ("ALL", 3)
// Second run, numbers 0 1 2 3 4, same state directory:   ("ALL", 6)  ("ALL", 10)
