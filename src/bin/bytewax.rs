//! Inspects and changes recovery stores: `bytewax recovery show DIR`. With the feature `top`, shows running
//! flows: `bytewax top ADDRESS`.

fn main() -> bytewax::ExitCode {
    bytewax::__private::recovery_main()
}
