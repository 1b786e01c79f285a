//! The guide as documentation tests: one module a chapter. `cargo test -p bytewax-guide --doc` compiles and runs its code.

macro_rules! chapters {
    ($($module:ident: $file:literal,)*) => {
        $(
            #[cfg(doctest)]
            #[doc = include_str!($file)]
            pub mod $module {}
        )*

        /// The files of the chapters whose code is tested.
        pub const TESTED: &[&str] = &[$($file),*];
    };
}

chapters! {
    introduction: "src/introduction.md",
    install: "src/install.md",
    first_flow: "src/first-flow.md",
    keys_and_state: "src/keys-and-state.md",
    windows: "src/windows.md",
    joins: "src/joins.md",
    recovery: "src/recovery.md",
    delivery: "src/delivery.md",
    kafka: "src/kafka.md",
    formats: "src/formats.md",
    connectors: "src/connectors.md",
    testing: "src/testing.md",
    production: "src/production.md",
    security: "src/security.md",
    performance: "src/performance.md",
    from_python: "src/from-python.md",
    from_flink: "src/from-flink-and-kafka-streams.md",
}

/// The chapters whose code is programs of this repository, which are compiled and tested where they are.
pub const INCLUDED: &[&str] = &["src/cookbook.md"];
