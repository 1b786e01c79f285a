//! The query q10 of Nexmark, which writes files; see `bytewax_nexmark::queries::q10`.

fn main() -> bytewax::ExitCode {
    bytewax_nexmark::main_of_files()
}
