//! The numbers as lines of text.

use super::rates::{Rates, StepRates};
use crate::report::RunReport;

/// The state of the display.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    pub(super) order: Order,
    /// The first step that is shown.
    pub(super) first: usize,
    pub(super) is_paused: bool,
    /// Why there is no newer report.
    pub(super) problem: Option<String>,
}

/// The order of the steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    #[default]
    Flow,
    Busy,
    Items,
    State,
}

impl Order {
    pub(super) fn next(self) -> Self {
        match self {
            Self::Flow => Self::Busy,
            Self::Busy => Self::Items,
            Self::Items => Self::State,
            Self::State => Self::Flow,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Flow => "the flow",
            Self::Busy => "time",
            Self::Items => "items",
            Self::State => "state",
        }
    }

    fn sort(self, steps: &mut [StepRates]) {
        match self {
            Self::Flow => {}
            Self::Busy => steps.sort_by(|a, b| b.busy.total_cmp(&a.busy)),
            Self::Items => steps.sort_by(|a, b| {
                let most = |step: &StepRates| step.items_in.max(step.items_out);
                most(b).total_cmp(&most(a))
            }),
            Self::State => steps.sort_by_key(|step| std::cmp::Reverse(step.state_bytes)),
        }
    }
}

/// The columns, and whether each is aligned to the right.
pub(super) const COLUMNS: [(&str, bool); 12] = [
    ("STEP", false),
    ("OPERATOR", false),
    ("IN/S", true),
    ("OUT/S", true),
    ("BUSY", true),
    ("WAIT", true),
    ("QUEUE", true),
    ("KEYS", true),
    ("STATE", true),
    ("BEHIND", true),
    ("LATE", true),
    ("ERRORS", true),
];

/// The steps from the first that is shown, each with its cells.
pub(super) fn rows(rates: &Rates, view: &View) -> Vec<(StepRates, [String; 12])> {
    let mut steps = rates.of_steps();
    view.order.sort(&mut steps);
    let shown = steps.into_iter().skip(view.first);
    shown
        .map(|step| {
            let cells = cells(&step);
            (step, cells)
        })
        .collect()
}

fn cells(step: &StepRates) -> [String; 12] {
    let some = |count: u64| match count {
        0 => String::new(),
        count => number(count as f64),
    };
    let known = |of: Option<String>| of.unwrap_or_default();
    [
        step.step.clone(),
        step.operator.clone(),
        number(step.items_in),
        number(step.items_out),
        share(step.busy),
        share(step.waited),
        known(step.queue.map(share)),
        known(step.keys.map(|keys| number(keys as f64))),
        known(step.state_bytes.map(bytes)),
        known(step.behind.map(span)),
        some(step.late),
        some(step.errors),
    ]
}

/// The lines above the steps.
pub(super) fn head(report: &RunReport, rates: &Rates) -> Vec<String> {
    let mut run = format!(
        "{}: {} for {}, process {}",
        report.flow,
        report.state.as_str(),
        span(report.seconds),
        report.process
    );
    if let Some(execution) = report.execution {
        run += &format!(", execution {execution}");
    }
    run += &match report.workers.len() {
        1 => ", 1 worker".to_owned(),
        workers => format!(", {workers} workers"),
    };
    let mut items = format!(
        "{} items/s, {} in all",
        number(rates.items()),
        number(report.items() as f64)
    );
    if report.late() > 0 {
        items += &format!(", {} late", number(report.late() as f64));
    }
    if report.errors() > 0 {
        items += &format!(", {} errors", number(report.errors() as f64));
    }
    let mut head = vec![run, items];
    head.extend(epochs(report));
    head
}

/// The line on epochs: the oldest of all workers.
fn epochs(report: &RunReport) -> Option<String> {
    let epoch = report.workers.iter().filter_map(|of| of.epoch).min()?;
    let mut line = format!("epoch {epoch}");
    let last = report.workers.iter().filter_map(|of| of.last.as_ref());
    if let Some(last) = last.clone().min_by_key(|last| last.epoch) {
        line += &format!(
            ", epoch {} complete {} ago",
            last.epoch,
            span(last.age_seconds)
        );
        if let Some(seconds) = last.seconds {
            line += &format!(" after {}", span(seconds));
        }
    }
    let saved: u64 = last.map(|last| last.bytes).sum();
    if saved > 0 {
        line += &format!(", {} saved", bytes(saved));
    }
    let unfinished = report
        .workers
        .iter()
        .filter_map(|of| of.unfinished.as_ref());
    if let Some(unfinished) = unfinished.max_by(|a, b| a.seconds.total_cmp(&b.seconds)) {
        line += &format!(
            ", epoch {} incomplete since {}",
            unfinished.epoch,
            span(unfinished.seconds)
        );
    }
    Some(line)
}

/// A line for each stall.
pub(super) fn stalls(report: &RunReport) -> Vec<String> {
    let stalls = report.stalls.iter();
    let line = |stall: &crate::report::StallReport| {
        format!("stalled for {}: {}", span(stall.seconds), stall.cause)
    };
    stalls.map(line).collect()
}

/// All of it as text, without a terminal.
pub(super) fn text(rates: &Rates, view: &View) -> String {
    let Some(report) = rates.report() else {
        return String::new();
    };
    let mut lines = head(report, rates);
    lines.extend(stalls(report));
    lines.push(String::new());
    let titles = COLUMNS.map(|(title, _)| title.to_owned());
    let rows: Vec<[String; 12]> = std::iter::once(titles)
        .chain(rows(rates, view).into_iter().map(|(_, cells)| cells))
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    };
    let widths: [usize; 12] = std::array::from_fn(width);
    for row in &rows {
        let cells = row.iter().zip(widths).zip(COLUMNS);
        let cells = cells.map(|((cell, width), (_, is_right))| match is_right {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n") + "\n"
}

/// A number with three digits or more, in thousands, millions or billions.
fn number(value: f64) -> String {
    match value {
        0.0..10.0 if value.fract() > 0.05 => format!("{value:.1}"),
        ..10_000.0 => format!("{value:.0}"),
        ..10_000_000.0 => format!("{:.1}k", value / 1e3),
        ..10_000_000_000.0 => format!("{:.1}M", value / 1e6),
        _ => format!("{:.1}G", value / 1e9),
    }
}

fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut units = UNITS.into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    match unit {
        "B" => format!("{value:.0} B"),
        unit => format!("{value:.1} {unit}"),
    }
}

fn share(of: f64) -> String {
    format!("{:.0}%", 100.0 * of)
}

/// A readable duration.
fn span(seconds: f64) -> String {
    match seconds {
        ..1.0 => format!("{:.0} ms", 1e3 * seconds),
        ..10.0 => format!("{seconds:.1} s"),
        ..120.0 => format!("{seconds:.0} s"),
        ..7200.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.0} h", seconds / 3600.0),
        _ => format!("{:.0} d", seconds / 86_400.0),
    }
}
