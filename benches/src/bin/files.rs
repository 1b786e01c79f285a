//! Files, against hand-written loops: lines to lines, rows of a CSV file as a type, and one large file that two
//! workers read.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytewax::connectors::csv::CsvSource;
use bytewax::connectors::files::{FileSink, FileSource};
use bytewax::prelude::*;
use bytewax::testing::{RunConfig, cluster_main};
use clap::{Parser, ValueEnum};
use serde::Deserialize;

type Failure = Box<dyn Error + Send + Sync>;

/// Compares flows that read and write files with hand-written loops.
#[derive(Debug, Parser)]
struct Arguments {
    /// What is measured; all of it, unless set
    #[arg(long)]
    case: Option<Case>,
    /// Which program is run; without it both are, in turn, and the least times are compared
    #[arg(long)]
    program: Option<Program>,
    /// How large the file is that is read, in MiB
    #[arg(long, default_value_t = 1024)]
    mib: u64,
    /// How often each program is run
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// How many bytes one worker reads at a time where several read the file
    #[arg(long, default_value_t = 16 << 20)]
    range_bytes: u64,
    /// Where files are written
    #[arg(long, default_value = "/tmp")]
    directory: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Case {
    /// Lines of a file, changed, and written to another.
    Lines,
    /// Rows of a CSV file as a type, of which some are written.
    Rows,
    /// The same rows, read by one worker and by two.
    RowsInRanges,
    /// Lines of which few are written, read by one worker and by two.
    LinesInRanges,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Program {
    Flow,
    Loop,
    /// The flow with two workers.
    TwoWorkers,
}

#[derive(Clone, Deserialize, serde::Serialize)]
struct Request {
    at: String,
    visitor: String,
    path: String,
    ms: u64,
}

/// What is done with a line.
fn change(mut line: String) -> String {
    line.push('!');
    line
}

/// Whether a line is written where few are: one in two hundred.
fn is_rare(line: &str) -> bool {
    let ms = line.split(',').next_back();
    ms.and_then(|ms| ms.parse::<u64>().ok())
        .is_some_and(|ms| ms > 1990)
}

/// What is written of a row, if it is slow.
fn slow(row: &Request) -> Option<String> {
    (row.ms > 1990).then(|| format!("{} {} {} {}", row.at, row.visitor, row.path, row.ms))
}

fn write_input(path: &Path, bytes: u64) -> Result<(), Failure> {
    if path
        .metadata()
        .is_ok_and(|metadata| metadata.len() >= bytes)
    {
        return Ok(());
    }
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "at,visitor,path,ms")?;
    let mut written = 0;
    for n in 0_u64.. {
        let row = format!(
            "2024-01-31T{:02}:{:02}:{:02}Z,visitor-{},/shop/items/{},{}\n",
            n / 3600 % 24,
            n / 60 % 60,
            n % 60,
            n * 7919 % 100_003,
            n * 31 % 5000,
            n * 104_729 % 2000,
        );
        out.write_all(row.as_bytes())?;
        written += row.len() as u64;
        if written >= bytes {
            break;
        }
    }
    Ok(out.flush()?)
}

fn lines_by_loop(input: &Path, output: &Path) -> Result<(), Failure> {
    let mut out = BufWriter::new(File::create(output)?);
    for line in BufReader::new(File::open(input)?).lines() {
        writeln!(out, "{}", change(line?))?;
    }
    Ok(out.flush()?)
}

fn rare_lines_by_loop(input: &Path, output: &Path) -> Result<(), Failure> {
    let mut out = BufWriter::new(File::create(output)?);
    for line in BufReader::new(File::open(input)?).lines() {
        let line = line?;
        if is_rare(&line) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(out.flush()?)
}

fn rows_by_loop(input: &Path, output: &Path) -> Result<(), Failure> {
    let mut out = BufWriter::new(File::create(output)?);
    for row in csv::Reader::from_path(input)?.into_deserialize::<Request>() {
        if let Some(text) = slow(&row?) {
            writeln!(out, "{text}")?;
        }
    }
    Ok(out.flush()?)
}

fn lines_flow(input: &Path, output: &Path) -> Dataflow {
    Dataflow::build("lines", |flow| {
        let lines = flow.input(FileSource::new(input)).named("lines");
        lines.map(change).output(FileSink::new(output)).named("out");
    })
}

fn rare_lines_flow(input: &Path, output: &Path, bytes: Option<u64>) -> Dataflow {
    Dataflow::build("rare_lines", |flow| {
        let mut source = FileSource::new(input);
        if let Some(bytes) = bytes {
            source = source.range_bytes(bytes);
        }
        let lines = flow.input(source).named("lines");
        let rare = lines.filter(|line: &String| is_rare(line));
        rare.output(FileSink::new(output)).named("out");
    })
}

fn rows_flow(input: &Path, output: &Path, bytes: Option<u64>) -> Dataflow {
    Dataflow::build("rows", |flow| {
        let mut source = CsvSource::<Request>::typed(input);
        if let Some(bytes) = bytes {
            source = source.range_bytes(bytes);
        }
        let rows = flow.input(source).named("rows");
        let slow = rows.filter_map(|row| slow(&row));
        slow.output(FileSink::new(output)).named("out");
    })
}

impl Arguments {
    fn time(&self, case: Case, program: Program, input: &Path) -> Result<Duration, Failure> {
        let output = self.directory.join("bytewax-files-out.txt");
        let start = Instant::now();
        let bytes = Some(self.range_bytes);
        let flow = match (case, program) {
            (Case::Lines, Program::Loop) => {
                lines_by_loop(input, &output)?;
                None
            }
            (Case::Rows | Case::RowsInRanges, Program::Loop) => {
                rows_by_loop(input, &output)?;
                None
            }
            (Case::LinesInRanges, Program::Loop) => {
                rare_lines_by_loop(input, &output)?;
                None
            }
            (Case::Lines, _) => Some(lines_flow(input, &output)),
            (Case::Rows, _) => Some(rows_flow(input, &output, None)),
            (Case::RowsInRanges, _) => Some(rows_flow(input, &output, bytes)),
            (Case::LinesInRanges, _) => Some(rare_lines_flow(input, &output, bytes)),
        };
        if let Some(flow) = flow {
            let workers = if program == Program::TwoWorkers { 2 } else { 1 };
            cluster_main(flow, RunConfig::new().workers(workers))?;
        }
        let time = start.elapsed();
        fs::remove_file(output)?;
        Ok(time)
    }

    /// Runs two programs in turn, and compares their least times.
    fn compare(&self, case: Case, first: Program, second: Program) -> Result<(), Failure> {
        let input = self
            .directory
            .join(format!("bytewax-files-{}.csv", self.mib));
        write_input(&input, self.mib << 20)?;
        let mut least = [Duration::MAX; 2];
        for _ in 0..self.rounds {
            for (least, program) in least.iter_mut().zip([first, second]) {
                *least = self.time(case, program, &input)?.min(*least);
            }
        }
        let [one, other] = least.map(|time| time.as_secs_f64());
        println!(
            "{case:?}: {first:?} {one:.2} s, {second:?} {other:.2} s, {:.2} times as fast as {first:?}",
            one / other,
        );
        Ok(())
    }
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    println!("allocator: {}", bytewax_benches::ALLOCATOR_NAME);
    let all = [
        Case::Lines,
        Case::Rows,
        Case::RowsInRanges,
        Case::LinesInRanges,
    ];
    let chosen = |case: &Case| arguments.case.is_none_or(|chosen| chosen == *case);
    for case in all.into_iter().filter(chosen) {
        if let Some(program) = arguments.program {
            let input = arguments
                .directory
                .join(format!("bytewax-files-{}.csv", arguments.mib));
            write_input(&input, arguments.mib << 20)?;
            let time = arguments.time(case, program, &input)?;
            println!("{case:?} {program:?}: {:.2} s", time.as_secs_f64());
            continue;
        }
        match case {
            Case::Lines | Case::Rows => arguments.compare(case, Program::Loop, Program::Flow)?,
            _ => arguments.compare(case, Program::Flow, Program::TwoWorkers)?,
        }
    }
    Ok(())
}
