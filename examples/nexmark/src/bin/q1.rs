//! The query q1 of Nexmark; see `bytewax_nexmark::queries::q1`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main(bytewax_nexmark::queries::q1)
}
