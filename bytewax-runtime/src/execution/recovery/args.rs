//! What the subcommands take.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};

// The doc comments are the help of the program. Ids have a prefix because they share one space with
// the arguments of the user's parser.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum RecoveryCommand {
    /// Make a recovery store for this flow, with state of none
    Init(InitArgs),
    /// Make the recovery store of this flow that a backup holds
    Restore(RestoreArgs),
    #[command(flatten)]
    Store(StoreCommand),
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(crate) struct InitArgs {
    /// A directory that exists and holds no store
    #[arg(id = "bytewax-dir", value_name = "DIR")]
    pub(crate) dir: PathBuf,

    /// Number of partitions: the most workers that will ever run, or more
    #[arg(id = "bytewax-partitions", value_name = "N")]
    pub(crate) partitions: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(crate) struct RestoreArgs {
    /// The backup: a directory, or the address of an object store
    #[arg(id = "bytewax-place", value_name = "BACKUP")]
    pub(crate) place: String,

    /// The directory in which the partitions are made; it may hold older ones of the same store
    #[arg(id = "bytewax-dir", value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

// What can be done with a store of any flow.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum StoreCommand {
    /// Show partitions, executions, and what is saved for each step
    Show {
        /// Directories that hold the partitions of one store
        #[arg(id = "bytewax-dirs", value_name = "DIR", required = true)]
        dirs: Vec<PathBuf>,

        /// As JSON, for programs
        #[arg(id = "bytewax-json", long = "json")]
        json: bool,
    },
    /// Read every row, and tell what is damaged or does not fit together
    Verify {
        /// Directories that hold the partitions of one store
        #[arg(id = "bytewax-dirs", value_name = "DIR", required = true)]
        dirs: Vec<PathBuf>,
    },
    /// Copy the newest state to a store with another number of partitions; the old one stays whole
    Repartition {
        /// The directory with all partitions of the old store
        #[arg(id = "bytewax-dir", value_name = "DIR")]
        dir: PathBuf,

        /// Number of partitions of the new store
        #[arg(id = "bytewax-partitions", value_name = "N")]
        partitions: u32,

        /// A directory that exists and holds no store
        #[arg(id = "bytewax-new-dir", value_name = "NEW_DIR")]
        new_dir: PathBuf,
    },
    /// Show what is saved for a key of a step, or for a partition of a source or a sink
    Dump {
        /// Directories that hold the partitions of one store
        #[arg(id = "bytewax-dirs", value_name = "DIR", required = true)]
        dirs: Vec<PathBuf>,

        /// Id of the step, such as `orders.total.stateful_map`
        #[arg(id = "bytewax-step", long = "step", value_name = "ID")]
        step: String,

        /// A key that is a text or an integer, or the name of a partition
        #[arg(
            id = "bytewax-key",
            long = "key",
            value_name = "KEY",
            allow_hyphen_values = true,
            required_unless_present = "bytewax-key-bytes"
        )]
        key: Option<String>,

        /// A key of any type, as it is saved, in hexadecimal; all keys of the step are searched
        #[arg(
            id = "bytewax-key-bytes",
            long = "key-bytes",
            value_name = "HEX",
            conflicts_with = "bytewax-key"
        )]
        key_bytes: Option<Hex>,
    },
    /// Remove all that is saved for a step
    DropStep {
        /// Directories that hold the partitions of one store
        #[arg(id = "bytewax-dirs", value_name = "DIR", required = true)]
        dirs: Vec<PathBuf>,

        /// Id of the step, such as `orders.total.stateful_map`
        #[arg(id = "bytewax-step", long = "step", value_name = "ID")]
        step: String,
    },
}

/// Bytes that are written in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hex(pub(crate) Vec<u8>);

impl FromStr for Hex {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits: Option<Vec<u8>> = text
            .chars()
            .map(|digit| digit.to_digit(16).map(|digit| digit as u8))
            .collect();
        let digits = digits.filter(|digits| digits.len() % 2 == 0);
        let digits = digits.ok_or("give an even number of hexadecimal digits, such as `0aff`")?;
        Ok(Self(
            digits
                .chunks(2)
                .map(|pair| pair[0] << 4 | pair[1])
                .collect(),
        ))
    }
}
