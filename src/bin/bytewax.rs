//! `bytewax new` creates a package for a flow, and `bytewax check` reports what is wrong with the environment of a
//! run. `bytewax recovery` inspects and changes recovery stores, and `bytewax diff` compares lock files. With the
//! feature `top`, `bytewax top ADDRESS` shows a running flow.

use bytewax::__private::{Template, Templates};

macro_rules! text {
    ($file:literal) => {
        include_str!(concat!("../../examples/template/", $file))
    };
}

/// The files that every package has.
const COMMON: &[(&str, &str)] = &[
    (".dockerignore", text!(".dockerignore")),
    (".gitignore", text!("gitignore")),
    ("deploy/Dockerfile", text!("deploy/Dockerfile")),
    ("deploy/kubernetes.yaml", text!("deploy/kubernetes.yaml")),
    ("deploy/rootfs", text!("deploy/rootfs")),
];

const TEMPLATES: Templates = Templates {
    library: env!("CARGO_MANIFEST_DIR"),
    version: env!("CARGO_PKG_VERSION"),
    common: COMMON,
    all: &[
        Template {
            name: "minimal",
            files: &[
                ("Cargo.toml", text!("minimal/manifest.toml")),
                ("dataflow.lock", text!("minimal/dataflow.lock")),
                ("src/main.rs", text!("minimal/main.rs")),
            ],
        },
        Template {
            name: "csv",
            files: &[
                ("Cargo.toml", text!("csv/manifest.toml")),
                ("dataflow.lock", text!("csv/dataflow.lock")),
                ("src/main.rs", text!("csv/main.rs")),
                ("orders.csv", text!("csv/orders.csv")),
            ],
        },
        Template {
            name: "kafka",
            files: &[
                ("Cargo.toml", text!("kafka/manifest.toml")),
                ("dataflow.lock", text!("kafka/dataflow.lock")),
                ("src/main.rs", text!("kafka/main.rs")),
            ],
        },
        Template {
            name: "windows",
            files: &[
                ("Cargo.toml", text!("windows/manifest.toml")),
                ("dataflow.lock", text!("windows/dataflow.lock")),
                ("src/main.rs", text!("windows/main.rs")),
                ("clicks.csv", text!("windows/clicks.csv")),
            ],
        },
    ],
};

fn main() -> bytewax::ExitCode {
    bytewax::__private::bytewax_main(&TEMPLATES)
}
