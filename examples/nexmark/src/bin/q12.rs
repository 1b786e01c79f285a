//! The query q12 of Nexmark; see `bytewax_nexmark::queries::q12`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main(bytewax_nexmark::queries::q12)
}
