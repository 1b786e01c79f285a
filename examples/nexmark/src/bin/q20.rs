//! The query q20 of Nexmark; see `bytewax_nexmark::queries::q20`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main(bytewax_nexmark::queries::q20)
}
