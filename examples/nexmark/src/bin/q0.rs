//! The query q0 of Nexmark; see `bytewax_nexmark::queries::q0`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main(bytewax_nexmark::queries::q0)
}
