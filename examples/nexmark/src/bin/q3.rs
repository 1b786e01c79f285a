//! The query q3 of Nexmark; see `bytewax_nexmark::queries::q3`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main(bytewax_nexmark::queries::q3)
}
