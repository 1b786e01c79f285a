//! The query q21 of Nexmark; see `bytewax_nexmark::queries::q21`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main(bytewax_nexmark::queries::q21)
}
