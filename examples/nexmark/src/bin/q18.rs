//! The query q18 of Nexmark; see `bytewax_nexmark::queries::q18`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main(bytewax_nexmark::queries::q18)
}
