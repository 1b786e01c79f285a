//! The query q11 of Nexmark; see `bytewax_nexmark::queries::q11`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main(bytewax_nexmark::queries::q11)
}
