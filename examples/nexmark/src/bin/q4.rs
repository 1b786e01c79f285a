//! The query q4 of Nexmark; see `bytewax_nexmark::queries::q4`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main(bytewax_nexmark::queries::q4)
}
