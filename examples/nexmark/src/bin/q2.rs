//! The query q2 of Nexmark; see `bytewax_nexmark::queries::q2`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main(bytewax_nexmark::queries::q2)
}
