//! The query q14 of Nexmark; see `bytewax_nexmark::queries::q14`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main(bytewax_nexmark::queries::q14)
}
