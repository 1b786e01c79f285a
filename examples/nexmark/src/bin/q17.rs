//! The query q17 of Nexmark; see `bytewax_nexmark::queries::q17`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main(bytewax_nexmark::queries::q17)
}
