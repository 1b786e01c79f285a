//! What `dataflow!` costs the compiler: `cargo check` after a change in the body of a flow, with the macro
//! and with the plain builder, side by side.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, io};

use clap::Parser;

/// Compares `cargo check` of one flow written with `dataflow!` and with the builder.
#[derive(Parser)]
struct Args {
    /// Steps of the flow.
    #[arg(long, default_value_t = 100)]
    steps: usize,
    /// Changes of each; the median counts.
    #[arg(long, default_value_t = 21)]
    rounds: usize,
}

/// How the flow is written.
#[derive(Clone, Copy)]
enum Form {
    Macro,
    Builder,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Macro => "with_macro",
            Self::Builder => "with_builder",
        }
    }

    /// The call that names a step.
    fn named(self, name: &str) -> String {
        match self {
            Self::Macro => String::new(),
            Self::Builder => format!(".named(\"{name}\")"),
        }
    }
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let package = target().join("check-cost");
    let forms = [Form::Macro, Form::Builder];
    write_package(&package)?;
    // Once without a clock, for the dependencies.
    for form in forms {
        write_flow(&package, form, args.steps, 0)?;
        check(&package, form)?;
    }
    let mut times = forms.map(|_| Vec::new());
    for round in 1..=args.rounds.max(1) {
        // In turn, so that what else runs on the machine hits both.
        for (form, times) in forms.into_iter().zip(&mut times) {
            write_flow(&package, form, args.steps, round)?;
            times.push(check(&package, form)?);
        }
    }
    let [with_macro, with_builder] = times.map(|times| median(times).as_secs_f64());
    let ratio = with_macro / with_builder;
    let text = format!(
        "cargo check after a change, {} steps: dataflow! {with_macro:.3} s, builder {with_builder:.3} s, \
         ratio {ratio:.2}\n",
        args.steps
    );
    io::Write::write_all(&mut io::stdout(), text.as_bytes())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The target directory that this program was built in.
fn target() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

fn write_package(package: &Path) -> io::Result<()> {
    let root = fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))?;
    fs::create_dir_all(package.join("src/bin"))?;
    fs::copy(root.join("Cargo.lock"), package.join("Cargo.lock"))?;
    let manifest = format!(
        "[package]\nname = \"check-cost\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [dependencies]\nbytewax = {{ path = {root:?} }}\n"
    );
    fs::write(package.join("Cargo.toml"), manifest)
}

/// A flow in which each four steps are a map, a filter, a sum per key and another map; `change` is a number
/// in it.
fn write_flow(package: &Path, form: Form, steps: usize, change: usize) -> io::Result<()> {
    let mut body = String::new();
    let groups = steps / 4;
    let _ = writeln!(
        body,
        "let s0 = flow.input(TestingSource::new([(1_u64, {change}_u64)])){};",
        form.named("s0.input")
    );
    for group in 0..groups {
        let next = group + 1;
        let _ = writeln!(
            body,
            "let m{group} = s{group}
                .map_value(move |n| if n % 2 == 0 {{ n / 2 }} else {{ 3 * n + {group} }})
                .filter_value(|n| *n < 1_000_000 + {group});
             let s{next} = m{group}
                .stateful_map(|sum: &mut u64, n| {{ *sum += n; *sum }}){}
                .map_value(|sum| sum + {group});",
            form.named(&format!("s{next}.stateful_map")),
        );
    }
    let _ = writeln!(
        body,
        "s{groups}.output(TestingSink::new()){};",
        form.named("output")
    );
    let build = match form {
        Form::Macro => "dataflow!(",
        Form::Builder => "Dataflow::build(",
    };
    let text = format!(
        "use bytewax::prelude::*;\nuse bytewax::testing::{{TestingSink, TestingSource, run_main}};\n\n\
         fn main() {{\n    let flow = {build}\"cost\", |flow| {{\n{body}\n    }});\n    \
         run_main(flow).unwrap();\n}}\n"
    );
    fs::write(package.join(format!("src/bin/{}.rs", form.name())), text)
}

fn check(package: &Path, form: Form) -> io::Result<Duration> {
    let mut command = Command::new(env!("CARGO"));
    command
        .current_dir(package)
        .args(["check", "--quiet", "--offline", "--bin", form.name()])
        .env("CARGO_TARGET_DIR", package.join("target"));
    let start = Instant::now();
    let status = command.status()?;
    if !status.success() {
        return Err(io::Error::other(format!(
            "{} does not compile",
            form.name()
        )));
    }
    Ok(start.elapsed())
}
