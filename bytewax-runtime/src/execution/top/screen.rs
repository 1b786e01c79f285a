//! Draws the numbers on a terminal.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Cell, Paragraph, Row, Table};

use super::lines::{COLUMNS, View, head, rows, stalls};
use super::rates::{Rates, StepRates};

/// Shares from which a number is highlighted.
const HIGH: f64 = 0.9;

/// The minimum width of a column of numbers.
const NUMBER: u16 = 8;

/// The width of the terminal from which all columns are shown; below, the operators are not.
const WIDE: u16 = 130;

pub(super) fn draw(frame: &mut Frame<'_>, rates: &Rates, view: &View) {
    let Some(report) = rates.report() else {
        return;
    };
    let above = above(report, rates, view);
    let height = u16::try_from(above.height()).unwrap_or(u16::MAX);
    let parts = [
        Constraint::Length(height),
        Constraint::Min(2),
        Constraint::Length(1),
    ];
    let [top, middle, bottom] = Layout::vertical(parts).areas(frame.area());
    frame.render_widget(Paragraph::new(above), top);
    frame.render_widget(table(rates, view, middle.width), middle);
    let state = if view.is_paused { "paused; " } else { "" };
    let help = format!(
        "{state}sorted by {} (s)   scroll (up, down)   pause (space)   quit (q)",
        view.order.as_str()
    );
    let dim = Style::new().add_modifier(Modifier::DIM);
    frame.render_widget(Paragraph::new(help).style(dim), bottom);
}

/// The run, and what is wrong with it.
fn above(report: &crate::report::RunReport, rates: &Rates, view: &View) -> Text<'static> {
    let mut lines: Vec<Line<'static>> = head(report, rates).into_iter().map(Line::from).collect();
    if let Some(first) = lines.first_mut() {
        *first = std::mem::take(first).style(Style::new().add_modifier(Modifier::BOLD));
    }
    let wrong = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
    lines.extend(
        stalls(report)
            .into_iter()
            .map(|stall| Line::styled(stall, wrong)),
    );
    lines.extend(
        view.problem
            .iter()
            .map(|problem| Line::styled(problem.clone(), wrong)),
    );
    lines.push(Line::default());
    Text::from(lines)
}

fn table(rates: &Rates, view: &View, width: u16) -> Table<'static> {
    let has = |column: usize| width >= WIDE || COLUMNS[column].0 != "OPERATOR";
    let rows: Vec<_> = rows(rates, view)
        .into_iter()
        .map(|(step, cells)| row(&step, cells, has))
        .collect();
    let head = (0..COLUMNS.len()).filter(|column| has(*column));
    let head = head.map(|column| aligned(COLUMNS[column].0.to_owned(), COLUMNS[column].1));
    let head = Row::new(head).style(Style::new().add_modifier(Modifier::REVERSED));
    let widths = (0..COLUMNS.len()).filter(|column| has(*column));
    let widths = widths.map(|column| match COLUMNS[column] {
        ("STEP", _) => Constraint::Fill(3),
        (_, false) => Constraint::Fill(1),
        (_, true) => Constraint::Length(NUMBER),
    });
    Table::new(rows, widths).header(head)
}

fn aligned(text: String, is_right: bool) -> Cell<'static> {
    let line = Line::from(text);
    Cell::from(match is_right {
        true => line.right_aligned(),
        false => line,
    })
}

fn row(step: &StepRates, cells: [String; 12], has: impl Fn(usize) -> bool) -> Row<'static> {
    let high = Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD);
    let wrong = Style::new().fg(Color::Red);
    let style = |title: &str| match title {
        "BUSY" if step.busy >= HIGH => high,
        "WAIT" if step.waited >= HIGH => high,
        "QUEUE" if step.queue.is_some_and(|fill| fill >= HIGH) => high,
        "LATE" | "ERRORS" => wrong,
        _ => Style::new(),
    };
    let cells = cells.into_iter().zip(COLUMNS).enumerate();
    let cells = cells.filter(|(column, _)| has(*column));
    Row::new(
        cells.map(|(_, (text, (title, is_right)))| aligned(text, is_right).style(style(title))),
    )
}
