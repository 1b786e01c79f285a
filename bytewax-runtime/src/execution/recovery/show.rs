//! The summary of a store, as text and as JSON.

use std::path::Path;

use serde::Serialize;

use super::Outcome;
use super::table::{Column, table};
use crate::error::RunError;
use crate::recovery::{Error, Execution, PartitionInfo, StepInfo, StoreInfo};

/// Describes a store, and what prevents a resume.
pub(super) fn show(store: &StoreInfo, json: bool) -> Result<Outcome, Error> {
    let refused = store.resume.as_ref().err().cloned();
    Ok(Outcome {
        text: if json { as_json(store) } else { as_text(store) },
        problem: refused.map(|refused| RunError::from(Error::from(refused))),
    })
}

fn as_text(store: &StoreInfo) -> String {
    use Column::{Left, Right};
    let next = match &store.resume {
        Ok(resume) => format!(
            "execution {}, from epoch {}",
            resume.execution, resume.epoch.0
        ),
        Err(_) => "none: the partitions do not fit together".to_owned(),
    };
    let facts = [
        ["flow", &store.meta.flow],
        ["store", &store.meta.store.to_string()],
        ["next", &next],
    ];
    let partitions = store.partitions.iter().map(|part| {
        [
            part.index.to_string(),
            part.progress.durable.0.to_string(),
            part.progress.oldest.0.to_string(),
            part.bytes.to_string(),
            part.free.to_string(),
            part.file.display().to_string(),
        ]
    });
    let executions = store.executions.iter().map(|execution| {
        [
            execution.number.to_string(),
            execution.resume.0.to_string(),
            execution.processes.to_string(),
            execution.workers.to_string(),
            execution.started_at.to_rfc3339(),
        ]
    });
    let steps = store.steps.iter().map(|step| {
        [
            step.meta.id.to_string(),
            step.meta.kind.name().to_owned(),
            step.keys.to_string(),
            step.positions.to_string(),
            step.rows.to_string(),
            step.bytes.to_string(),
            step.meta.schema_line(),
        ]
    });
    [
        table([Left, Left], &facts.map(|fact| fact.map(str::to_owned))),
        with_heading(
            [Right, Right, Right, Right, Right, Left],
            [
                "partition",
                "complete epoch",
                "oldest epoch",
                "bytes",
                "free",
                "file",
            ],
            partitions,
        ),
        with_heading(
            [Right, Right, Right, Right, Left],
            [
                "execution",
                "first epoch",
                "processes",
                "workers",
                "started at",
            ],
            executions,
        ),
        with_heading(
            [Left, Left, Right, Right, Right, Right, Left],
            [
                "step",
                "kind",
                "keys",
                "positions",
                "rows",
                "bytes",
                "schema",
            ],
            steps,
        ),
    ]
    .join("\n")
}

fn with_heading<const N: usize>(
    columns: [Column; N],
    heading: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let heading = heading.map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
    table(columns, &rows)
}

fn as_json(store: &StoreInfo) -> String {
    let json = StoreJson {
        flow: &store.meta.flow,
        store: store.meta.store.to_string(),
        next: store.resume.as_ref().ok().map(|resume| NextJson {
            execution: resume.execution.0,
            epoch: resume.epoch.0,
        }),
        partitions: store.partitions.iter().map(PartitionJson::new).collect(),
        executions: store.executions.iter().map(ExecutionJson::new).collect(),
        steps: store.steps.iter().map(StepJson::new).collect(),
    };
    let text = serde_json::to_string_pretty(&json).expect("structs of texts and numbers are JSON");
    text + "\n"
}

#[derive(Serialize)]
struct StoreJson<'a> {
    flow: &'a str,
    store: String,
    next: Option<NextJson>,
    partitions: Vec<PartitionJson<'a>>,
    executions: Vec<ExecutionJson>,
    steps: Vec<StepJson<'a>>,
}

#[derive(Serialize)]
struct NextJson {
    execution: u64,
    epoch: u64,
}

#[derive(Serialize)]
struct PartitionJson<'a> {
    index: u32,
    file: &'a Path,
    execution: Option<u64>,
    complete_epoch: u64,
    oldest_epoch: u64,
    bytes: u64,
    free: u64,
}

impl<'a> PartitionJson<'a> {
    fn new(part: &'a PartitionInfo) -> Self {
        Self {
            index: part.index.0,
            file: &part.file,
            execution: part.progress.execution.map(|number| number.0),
            complete_epoch: part.progress.durable.0,
            oldest_epoch: part.progress.oldest.0,
            bytes: part.bytes,
            free: part.free,
        }
    }
}

#[derive(Serialize)]
struct ExecutionJson {
    number: u64,
    first_epoch: u64,
    processes: u32,
    workers: u32,
    started_at: String,
}

impl ExecutionJson {
    fn new(execution: &Execution) -> Self {
        Self {
            number: execution.number.0,
            first_epoch: execution.resume.0,
            processes: execution.processes,
            workers: execution.workers,
            started_at: execution.started_at.to_rfc3339(),
        }
    }
}

#[derive(Serialize)]
struct StepJson<'a> {
    id: &'a str,
    kind: &'static str,
    schema: String,
    version: u32,
    /// In hexadecimal: most readers of JSON have no integers of 64 bits.
    fingerprint: String,
    keys: u64,
    positions: u64,
    rows: u64,
    bytes: u64,
}

impl<'a> StepJson<'a> {
    fn new(step: &'a StepInfo) -> Self {
        Self {
            id: step.meta.id.as_str(),
            kind: step.meta.kind.name(),
            schema: step.meta.schema_line(),
            version: step.meta.version,
            fingerprint: format!("{:016x}", step.meta.fingerprint),
            keys: step.keys,
            positions: step.positions,
            rows: step.rows,
            bytes: step.bytes,
        }
    }
}
