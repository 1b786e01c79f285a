//! Rows of the tables of conformance.

/// Tests that compare an expression with a value, one a line.
macro_rules! rows {
    ($($(#[$meta:meta])* $name:ident: $got:expr => $expected:expr;)*) => {
        $($(#[$meta])* #[test] fn $name() { assert_eq!($got, $expected); })*
    };
}
pub(crate) use rows;
