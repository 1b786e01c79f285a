//! Values for the program's own required arguments, for subcommands that need a flow but do not run it.
//!
//! `wordcount lock` describes the flow of `wordcount FILE`, and reads no file. The program still builds the flow
//! from its arguments, so that the parser fills in each required argument that is absent.

use std::any::TypeId;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num::NonZero;
use std::path::PathBuf;

use chrono::{DateTime, NaiveDate, Utc};
use clap::builder::{OsStr, ValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Id};

/// The group of the required arguments; it contains those that the user wrote, and not placeholders.
const GIVEN: &str = "bytewax-given";
/// The hidden argument whose values are the ids of the required arguments.
const REQUIRED: &str = "bytewax-required";
/// The hidden argument whose values are the required arguments in words, in the same order.
const WORDS: &str = "bytewax-required-words";
/// The hidden argument whose value is the usage, with the name by which the program was started.
const USAGE: &str = "bytewax-usage";

/// Lets a subcommand stand without the required arguments, if each has a placeholder.
///
/// This is the last change of the command before it parses, so that it also sees arguments behind `RunArgs`.
pub(super) fn fill_in(mut command: clap::Command) -> clap::Command {
    let required = command.get_arguments().filter(|arg| arg.is_required_set());
    let filled: Option<Vec<_>> = required
        .map(|arg| Some((arg.get_id().clone(), in_words(arg), placeholder(arg)?)))
        .collect();
    let Some(filled) = filled.filter(|filled| !filled.is_empty()) else {
        return command;
    };
    // Not one by one by `mut_arg`, which moves the argument behind the others.
    command = command.mut_args(|arg| {
        let own = filled.iter().find(|(id, ..)| id == arg.get_id());
        let Some((_, _, value)) = own else { return arg };
        let least = arg.get_num_args().map_or(1, |count| count.min_values());
        let values = std::iter::repeat_n(value, least.max(1)).map(OsStr::from);
        arg.default_values(values).hide_default_value(true)
    });
    let ids: Vec<Id> = filled.iter().map(|(id, ..)| id.clone()).collect();
    let words = filled.into_iter().map(|(_, word, _)| word).collect();
    let hidden = |id, values: Vec<String>| {
        Arg::new(id)
            .long(id)
            .hide(true)
            .num_args(1..)
            .default_values(values.into_iter().map(OsStr::from))
    };
    let names = ids.iter().map(Id::to_string).collect();
    command = command
        .subcommand_negates_reqs(true)
        .group(ArgGroup::new(GIVEN).args(ids).multiple(true))
        .arg(hidden(REQUIRED, names))
        .arg(hidden(WORDS, words));
    // The command that the parser makes for an error does not know how the program was started.
    let usage = command.clone().render_usage().to_string();
    command.arg(hidden(USAGE, vec![usage]))
}

/// The required arguments that the user left out, in words.
pub(super) fn absent(matches: &ArgMatches) -> Vec<String> {
    let all = |id| {
        let values = matches.try_get_many::<String>(id).ok().flatten();
        values.unwrap_or_default().cloned().collect::<Vec<_>>()
    };
    let given = matches.try_get_many::<Id>(GIVEN).ok().flatten();
    let given: Vec<_> = given.unwrap_or_default().map(Id::as_str).collect();
    let required = all(REQUIRED).into_iter().zip(all(WORDS));
    required
        .filter(|(id, _)| !given.contains(&id.as_str()))
        .map(|(_, words)| words)
        .collect()
}

/// The error of the parser about absent arguments, with the usage.
pub(super) fn missing(absent: &[String], matches: &ArgMatches) -> clap::Error {
    let text = format!(
        "the following required arguments were not provided:\n  {}",
        absent.join("\n  ")
    );
    let error = clap::Error::raw(ErrorKind::MissingRequiredArgument, text);
    let usage = matches.try_get_one::<String>(USAGE).ok().flatten();
    let Some(usage) = usage.and_then(|usage| usage.strip_prefix("Usage: ")) else {
        return error;
    };
    error.format(&mut clap::Command::new("program").override_usage(usage.to_owned()))
}

/// A value that the argument accepts; none if its type is not one of those of [`is_known`], because its parser may
/// do more than parse.
fn placeholder(arg: &Arg) -> Option<String> {
    if !arg.get_action().takes_values() {
        return None;
    }
    let parser = arg.get_value_parser();
    let mut candidates: Vec<String> = Vec::new();
    let possible = arg.get_possible_values();
    if possible.is_empty() {
        if !is_known(parser) {
            return None;
        }
        candidates.push(value_name(arg));
        candidates.extend(VALUES.map(str::to_owned));
    } else {
        candidates.extend(possible.iter().map(|value| value.get_name().to_owned()));
    }
    candidates.into_iter().find(|value| accepts(parser, value))
}

/// The argument as the parser shows it. It cannot be asked before it has built its arguments.
fn in_words(arg: &Arg) -> String {
    let value = value_name(arg);
    match (arg.get_long(), arg.get_short()) {
        (Some(long), _) => format!("--{long} {value}"),
        (None, Some(short)) => format!("-{short} {value}"),
        (None, None) if matches!(arg.get_action(), ArgAction::Append) => format!("{value}..."),
        (None, None) => value,
    }
}

/// The name of the value in brackets.
fn value_name(arg: &Arg) -> String {
    let name = arg.get_value_names().and_then(|names| names.first());
    format!(
        "<{}>",
        name.map_or(arg.get_id().as_str(), |name| name.as_str())
    )
}

/// Values that the known types accept.
const VALUES: [&str; 12] = [
    "1",
    "0",
    "10",
    "100",
    "1000",
    "x",
    "127.0.0.1",
    "::1",
    "127.0.0.1:1",
    "[::1]:1",
    "1970-01-01",
    "1970-01-01T00:00:00Z",
];

fn accepts(parser: &ValueParser, value: &str) -> bool {
    let arg = Arg::new("value").value_parser(parser.clone());
    let command = clap::Command::new("placeholder")
        .no_binary_name(true)
        .disable_help_flag(true)
        .arg(arg);
    command.try_get_matches_from(["--", value]).is_ok()
}

/// Whether reading a value of this type has no side effect.
fn is_known(parser: &ValueParser) -> bool {
    macro_rules! any_of {
        ($($type:ty),* $(,)?) => {
            [$(TypeId::of::<$type>()),*]
        };
    }
    let known = any_of![
        String,
        std::ffi::OsString,
        PathBuf,
        bool,
        char,
        u8,
        u16,
        u32,
        u64,
        u128,
        usize,
        i8,
        i16,
        i32,
        i64,
        i128,
        isize,
        f32,
        f64,
        NonZero<u8>,
        NonZero<u16>,
        NonZero<u32>,
        NonZero<u64>,
        NonZero<usize>,
        IpAddr,
        Ipv4Addr,
        Ipv6Addr,
        SocketAddr,
        SocketAddrV4,
        SocketAddrV6,
        NaiveDate,
        DateTime<Utc>,
    ];
    known.iter().any(|id| parser.type_id() == *id)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser, ValueEnum};

    use super::super::{Command, RunArgs};
    use super::*;

    #[derive(Clone, Debug, PartialEq, ValueEnum)]
    enum Mode {
        Fast,
        Exact,
    }

    #[derive(Debug, Parser)]
    #[command(name = "program")]
    struct Program {
        orders: PathBuf,
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..=12))]
        month: u16,
        #[arg(long)]
        currency: Option<String>,
        #[command(flatten)]
        run: RunArgs,
        /// Behind the options of the run.
        #[arg(long)]
        mode: Mode,
        #[arg(long)]
        since: Option<NaiveDate>,
        #[arg(required = true)]
        rates: Vec<f64>,
        #[arg(long)]
        peer: SocketAddr,
    }

    /// A type whose parser is the user's.
    #[derive(Clone, Debug)]
    struct Opened;

    impl std::str::FromStr for Opened {
        type Err = String;

        fn from_str(text: &str) -> Result<Self, String> {
            panic!("`{text}` is opened")
        }
    }

    #[derive(Debug, Parser)]
    struct OfOwnType {
        input: Opened,
        file: PathBuf,
        #[command(flatten)]
        run: RunArgs,
    }

    fn parse(line: &str) -> Result<Program, clap::Error> {
        Program::try_parse_from(line.split_whitespace())
    }

    const ALL: &str = "program O --month 2 --mode exact --peer [::1]:7 0.5";

    #[test]
    fn the_definition_is_sound() {
        Program::command().debug_assert();
        OfOwnType::command().debug_assert();
    }

    #[test]
    fn a_run_requires_all_arguments() {
        let words = [
            "<ORDERS>",
            "--month <MONTH>",
            "--mode <MODE>",
            "<RATES>...",
            "--peer <PEER>",
        ];
        let lines = [
            "program",
            "program run",
            #[cfg(feature = "recovery")]
            "program recovery try DIR",
            #[cfg(feature = "recovery")]
            "program recovery migrate DIR",
        ];
        for line in lines {
            let text = parse(line).unwrap_err().to_string();
            for word in words {
                assert!(text.contains(&format!("\n  {word}\n")), "{line}: {text}");
            }
            assert!(!text.contains(REQUIRED), "{text}");
        }
        let text = parse("program O --mode fast 1 --peer [::1]:7 run").unwrap_err();
        let text = text.to_string();
        assert!(
            text.contains("provided:\n  --month <MONTH>\n\nUsage: program"),
            "{text}"
        );
        // By the name that it was started by, whatever its package is called.
        let text = parse("visits O --mode fast 1 --peer [::1]:7 run").unwrap_err();
        let text = text.to_string();
        assert!(
            text.contains("provided:\n  --month <MONTH>\n\nUsage: visits [OPTIONS] --month"),
            "{text}"
        );
        assert!(
            text.ends_with("\nFor more information, try '--help'.\n"),
            "{text}"
        );
        let program = parse(ALL).unwrap();
        assert_eq!(program.run.absent(), &[] as &[String]);
        assert_eq!(program.orders, PathBuf::from("O"));
        assert_eq!((program.month, program.mode), (2, Mode::Exact));
    }

    #[test]
    fn other_commands_have_placeholders() {
        let program = parse("program lock --check").unwrap();
        assert_eq!(
            program.run.command(),
            Command::Lock {
                file: None,
                check: true
            }
        );
        assert_eq!(program.orders, PathBuf::from("<ORDERS>"));
        assert_eq!((program.month, program.mode), (1, Mode::Fast));
        assert_eq!(program.currency, None);
        assert_eq!(program.rates, [1.0]);
        assert_eq!(program.run.absent().len(), 5);
        // What the user wrote stays.
        let program = parse("program O --month 3 graph").unwrap();
        assert_eq!((program.orders, program.month), (PathBuf::from("O"), 3));
        assert_eq!(
            program.run.absent(),
            ["--mode <MODE>", "<RATES>...", "--peer <PEER>"]
        );
        #[cfg(feature = "recovery")]
        assert!(parse("program recovery show DIR").is_ok());
    }

    #[test]
    fn a_type_whose_parser_may_do_more_has_no_placeholder() {
        let line = ["program", "graph"];
        let text = OfOwnType::try_parse_from(line).unwrap_err().to_string();
        assert!(text.contains("\n  <INPUT>\n  <FILE>\n"), "{text}");
    }

    #[test]
    fn help_shows_no_placeholder() {
        let help = Program::command().render_long_help().to_string();
        assert!(!help.contains("<ORDERS>]"), "{help}");
        assert!(!help.contains("default: 1]\n\n      --currency"), "{help}");
        assert!(!help.contains(REQUIRED) && !help.contains(USAGE), "{help}");
        assert!(help.contains(" [OPTIONS] --month <MONTH>"), "{help}");
    }
}
