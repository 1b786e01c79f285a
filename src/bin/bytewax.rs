//! Inspects and changes recovery stores: `bytewax recovery show DIR`.

fn main() -> bytewax::ExitCode {
    bytewax::__private::recovery_main()
}
