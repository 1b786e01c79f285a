//! The query q16 of Nexmark; see `bytewax_nexmark::queries::q16`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main(bytewax_nexmark::queries::q16)
}
