//! The query q5 of Nexmark; see `bytewax_nexmark::queries::q5`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main(bytewax_nexmark::queries::q5)
}
