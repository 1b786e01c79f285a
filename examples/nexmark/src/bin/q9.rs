//! The query q9 of Nexmark; see `bytewax_nexmark::queries::q9`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main(bytewax_nexmark::queries::q9)
}
