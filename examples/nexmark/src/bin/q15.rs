//! The query q15 of Nexmark; see `bytewax_nexmark::queries::q15`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main(bytewax_nexmark::queries::q15)
}
