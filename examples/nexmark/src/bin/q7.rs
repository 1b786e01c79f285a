//! The query q7 of Nexmark; see `bytewax_nexmark::queries::q7`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main(bytewax_nexmark::queries::q7)
}
