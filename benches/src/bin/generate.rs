//! Writes the text of W1, in any size. The comparison makes what it needs by itself.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::PathBuf;

use bytewax_benches::words;
use clap::Parser;

/// Writes the text of w1; the same size is always the same text.
#[derive(Debug, Parser)]
struct Arguments {
    /// The file to write.
    path: PathBuf,
    /// The least size of the text; the last line is whole.
    #[arg(long, default_value_t = words::TEXT_BYTES)]
    bytes: u64,
}

fn main() -> io::Result<()> {
    let Arguments { path, bytes } = Arguments::parse();
    words::write_text(
        bytes,
        &mut BufWriter::with_capacity(1 << 20, File::create(path)?),
    )
}
