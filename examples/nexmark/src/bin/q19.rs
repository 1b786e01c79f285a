//! The query q19 of Nexmark; see `bytewax_nexmark::queries::q19`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main(bytewax_nexmark::queries::q19)
}
