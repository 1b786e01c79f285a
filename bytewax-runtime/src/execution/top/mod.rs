//! The subcommand `top`: the numbers of a running flow in a terminal.

mod fetch;
mod lines;
mod rates;
mod screen;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use clap::Args;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::error::{RunError, RunErrorKind};
use fetch::Source;
use lines::View;
use rates::Rates;

/// The interval between two reports.
const EVERY: Duration = Duration::from_secs(1);

/// The address of `--metrics` in the examples of the documentation.
const ADDRESS: &str = "127.0.0.1:9464";

/// Which run to show.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(crate) struct TopArgs {
    /// Address of `--metrics` or `--web` of the run
    #[arg(id = "bytewax-top-address", value_name = "ADDRESS", env = "BYTEWAX_METRICS", default_value = ADDRESS)]
    address: String,

    /// Print the numbers once, measured over a second, instead of showing them continuously
    #[arg(id = "bytewax-top-once", long = "once")]
    once: bool,
}

impl TopArgs {
    /// Shows the run until the user quits, or once.
    pub(crate) fn execute(&self) -> Result<(), RunError> {
        let source = Source::new(&self.address)?;
        if self.once || !io::stdout().is_terminal() {
            return once(&source);
        }
        let mut terminal = ratatui::try_init().map_err(terminal_error)?;
        let shown = show(&source, &mut terminal);
        ratatui::restore();
        shown
    }
}

fn terminal_error(error: io::Error) -> RunError {
    let text = "the terminal cannot be used; `top --once` prints the numbers without one";
    RunError::new(RunErrorKind::Config, text).caused_by(error)
}

/// Prints one table.
fn once(source: &Source) -> Result<(), RunError> {
    let mut rates = Rates::default();
    rates.update(source.report()?);
    std::thread::sleep(EVERY);
    rates.update(source.report()?);
    let text = lines::text(&rates, &View::default());
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(terminal_error(error)),
        _ => Ok(()),
    }
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Quit,
    Sort,
    Pause,
    Move(isize),
    Nothing,
}

fn action(key: KeyEvent) -> Action {
    if key.kind == KeyEventKind::Release {
        return Action::Nothing;
    }
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Action::Quit,
        KeyCode::Char('q') | KeyCode::Esc => Action::Quit,
        KeyCode::Char('s') => Action::Sort,
        KeyCode::Char(' ') => Action::Pause,
        KeyCode::Up | KeyCode::Char('k') => Action::Move(-1),
        KeyCode::Down | KeyCode::Char('j') => Action::Move(1),
        KeyCode::PageUp => Action::Move(-10),
        KeyCode::PageDown => Action::Move(10),
        KeyCode::Home => Action::Move(isize::MIN),
        KeyCode::End => Action::Move(isize::MAX),
        _ => Action::Nothing,
    }
}

impl View {
    /// Follows an action other than quitting.
    fn follow(&mut self, action: Action, steps: usize) {
        match action {
            Action::Sort => self.order = self.order.next(),
            Action::Pause => self.is_paused = !self.is_paused,
            Action::Move(by) => {
                let last = steps.saturating_sub(1);
                self.first = self.first.saturating_add_signed(by).min(last);
            }
            Action::Quit | Action::Nothing => {}
        }
    }
}

fn show(source: &Source, terminal: &mut ratatui::DefaultTerminal) -> Result<(), RunError> {
    let mut rates = Rates::default();
    // A run that cannot be reached at the start is an error; later, it may come back.
    rates.update(source.report()?);
    let mut view = View::default();
    let mut next = Instant::now() + EVERY;
    loop {
        terminal
            .draw(|frame| screen::draw(frame, &rates, &view))
            .map_err(terminal_error)?;
        let left = next.saturating_duration_since(Instant::now());
        if event::poll(left).map_err(terminal_error)? {
            if let Event::Key(key) = event::read().map_err(terminal_error)? {
                match action(key) {
                    Action::Quit => return Ok(()),
                    other => view.follow(other, rates.steps()),
                }
            }
            continue;
        }
        next = Instant::now() + EVERY;
        if view.is_paused {
            continue;
        }
        match source.report() {
            Ok(report) => {
                view.problem = None;
                rates.update(report);
            }
            Err(error) => view.problem = Some(error.to_string()),
        }
    }
}
