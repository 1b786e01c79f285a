//! The query q8 of Nexmark; see `bytewax_nexmark::queries::q8`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main(bytewax_nexmark::queries::q8)
}
