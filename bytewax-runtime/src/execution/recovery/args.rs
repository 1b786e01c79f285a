//! The arguments of the subcommands.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};

// The doc comments are the help of the program. Ids have a prefix because they share one space with
// the arguments of the user's parser.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum RecoveryCommand {
    /// Create an empty recovery store for this flow
    Init(InitArgs),
    /// Create a recovery store of this flow from a backup
    Restore(RestoreArgs),
    /// Report whether this program would resume a store, without running it or changing the store
    Try {
        /// Directories with the partitions of one store
        #[arg(id = "bytewax-dirs", value_name = "DIR", required = true)]
        dirs: Vec<PathBuf>,
    },
    /// Save all states and positions of older versions in the newest version, so that the old types can be
    /// removed
    Migrate {
        /// Directories with the partitions of one store
        #[arg(id = "bytewax-dirs", value_name = "DIR", required = true)]
        dirs: Vec<PathBuf>,
    },
    #[command(flatten)]
    Store(StoreCommand),
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(crate) struct InitArgs {
    /// An existing directory without a store
    #[arg(id = "bytewax-dir", value_name = "DIR")]
    pub(crate) dir: PathBuf,

    /// Number of partitions: at least the maximum number of workers of any run
    #[arg(id = "bytewax-partitions", value_name = "N")]
    pub(crate) partitions: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(crate) struct RestoreArgs {
    /// Backup: a directory, or the address of an object store
    #[arg(id = "bytewax-place", value_name = "BACKUP")]
    pub(crate) place: String,

    /// Directory for the partitions; it may contain older ones of the same store
    #[arg(id = "bytewax-dir", value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

// Commands for a store of any flow.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum StoreCommand {
    /// Show partitions, runs, and the saved state of each step
    Show {
        /// Directories with the partitions of one store
        #[arg(id = "bytewax-dirs", value_name = "DIR", required = true)]
        dirs: Vec<PathBuf>,

        /// Print JSON
        #[arg(id = "bytewax-json", long = "json")]
        json: bool,
    },
    /// Read every row, and report damage and contradictions
    Verify {
        /// Directories with the partitions of one store
        #[arg(id = "bytewax-dirs", value_name = "DIR", required = true)]
        dirs: Vec<PathBuf>,
    },
    /// Copy the newest state to a new store with another number of partitions
    Repartition {
        /// Directory with all partitions of the old store
        #[arg(id = "bytewax-dir", value_name = "DIR")]
        dir: PathBuf,

        /// Number of partitions of the new store
        #[arg(id = "bytewax-partitions", value_name = "N")]
        partitions: u32,

        /// An existing directory without a store
        #[arg(id = "bytewax-new-dir", value_name = "NEW_DIR")]
        new_dir: PathBuf,
    },
    /// Show the state of a key, or the position of a partition
    Dump {
        /// Directories with the partitions of one store
        #[arg(id = "bytewax-dirs", value_name = "DIR", required = true)]
        dirs: Vec<PathBuf>,

        /// Id of the step, such as `orders.total.stateful_map`
        #[arg(id = "bytewax-step", long = "step", value_name = "ID")]
        step: String,

        /// A text or integer key, or the name of a partition
        #[arg(
            id = "bytewax-key",
            long = "key",
            value_name = "KEY",
            allow_hyphen_values = true,
            required_unless_present = "bytewax-key-bytes"
        )]
        key: Option<String>,

        /// The saved bytes of a key of any type, in hexadecimal; searches all keys of the step
        #[arg(
            id = "bytewax-key-bytes",
            long = "key-bytes",
            value_name = "HEX",
            conflicts_with = "bytewax-key"
        )]
        key_bytes: Option<Hex>,
    },
    /// Delete the saved state of a step
    DropStep {
        /// Directories with the partitions of one store
        #[arg(id = "bytewax-dirs", value_name = "DIR", required = true)]
        dirs: Vec<PathBuf>,

        /// Id of the step, such as `orders.total.stateful_map`
        #[arg(id = "bytewax-step", long = "step", value_name = "ID")]
        step: String,
    },
}

/// Bytes in hexadecimal.
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
