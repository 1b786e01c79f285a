//! Parsing and display of option values.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::execution::config::LEAST_PEER_TIMEOUT;
use crate::kit::{ResumePolicy, SnapshotMode};

/// The addresses of all processes of a cluster; each is `host:port` with a port of at least 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Addresses(Vec<String>);

impl Addresses {
    /// Checks a list of addresses. Spaces around an address are ignored.
    pub(crate) fn new<'a>(addresses: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut checked: Vec<String> = Vec::new();
        for address in addresses {
            let address = address.trim();
            check_address(address)?;
            if checked.iter().any(|earlier| earlier == address) {
                return Err(format!(
                    "`{address}` is there twice; every process needs an address of its own"
                ));
            }
            checked.push(address.to_owned());
        }
        Ok(Self(checked))
    }

    pub(crate) fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl FromStr for Addresses {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        Self::new(list.split(';'))
    }
}

fn check_address(address: &str) -> Result<(), String> {
    if address.is_empty() {
        return Err(
            "an address is empty; give `host:port` for each process, separated by `;`".to_owned(),
        );
    }
    let Some((host, port)) = address.rsplit_once(':') else {
        return Err(format!("`{address}` has no port; write `{address}:2101`"));
    };
    if host.is_empty() {
        return Err(format!("`{address}` has no host; write `localhost:{port}`"));
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err(format!(
            "`{address}` has several `:`; write an IPv6 address in brackets, `[::1]:2101`, and \
             join addresses with `;`"
        ));
    }
    match port.parse::<u16>() {
        Ok(1..) => Ok(()),
        _ => Err(format!(
            "`{port}` in `{address}` is not a port; give a number from 1 to 65535"
        )),
    }
}

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("give 1 or more".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("give a whole number, 1 or more".to_owned()),
    }
}

/// Parses an address to listen on; a port alone means the loopback address.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    let text = text.replace("localhost:", "127.0.0.1:");
    text.parse().map_err(|_| {
        "give `address:port`, such as `127.0.0.1:9464` for this machine alone, or `0.0.0.0:9464` for all".to_owned()
    })
}

pub(super) fn process_id(text: &str) -> Result<usize, String> {
    text.parse()
        .map_err(|_| "give a whole number, 0 or more".to_owned())
}

/// A number of bytes, displayed with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u64);

const UNITS: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &text[digits.len()..] {
            "" => Some(1),
            unit => UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .map(|(_, size)| *size),
        };
        let number = digits.trim_end().parse::<u64>().ok();
        let bytes = number
            .zip(unit)
            .and_then(|(number, unit)| number.checked_mul(unit));
        bytes.map(Self).ok_or_else(|| {
            "give a number of bytes, such as `500000000`, `512MiB` or `4GiB`".to_owned()
        })
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, size): &&(&str, u64)| self.0 >= *size && self.0.is_multiple_of(*size);
        let (name, size) = UNITS.iter().find(fits).unwrap_or(&("B", 1));
        write!(f, "{}{name}", self.0 / size)
    }
}

/// A number of bytes that is not zero.
pub(super) fn some_bytes(text: &str) -> Result<Bytes, String> {
    match text.parse()? {
        Bytes(0) => Err("give 1 byte or more, such as `256MiB`".to_owned()),
        some => Ok(some),
    }
}

/// The silence after which a process is lost, which is longer than that between two of its heartbeats.
pub(super) fn peer_timeout(text: &str) -> Result<Seconds, String> {
    let least = LEAST_PEER_TIMEOUT;
    match text.parse()? {
        Seconds(time) if time < least => Err(format!(
            "give {} seconds or more, because a process sends a heartbeat every second",
            least.as_secs()
        )),
        time => Ok(time),
    }
}

/// A time in whole seconds on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) Duration);

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds = text.parse().map(Duration::from_secs);
        let help = |_| "give whole seconds, 0 or more, such as `10`".to_owned();
        seconds.map(Self).map_err(help)
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_secs().fmt(f)
    }
}

impl ValueEnum for SnapshotMode {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Batch, Self::Immediate]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Batch => ("batch", "At the end of the epoch: each changed key once"),
            Self::Immediate => (
                "immediate",
                "During the epoch: a key each time it changes, so that less is left for the end",
            ),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

impl ValueEnum for ResumePolicy {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Require, Self::Allow, Self::Never]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Require => ("require", "Fail unless the run resumes from saved state"),
            Self::Allow => (
                "allow",
                "Resume if there is saved state, and start empty otherwise",
            ),
            Self::Never => ("never", "Fail if there is saved state"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}
