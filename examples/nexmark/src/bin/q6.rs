//! The query q6 of Nexmark; see `bytewax_nexmark::queries::q6`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main(bytewax_nexmark::queries::q6)
}
