//! The query q22 of Nexmark; see `bytewax_nexmark::queries::q22`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main(bytewax_nexmark::queries::q22)
}
