//! The query q13 of Nexmark; see `bytewax_nexmark::queries::q13`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main(bytewax_nexmark::queries::q13)
}
