//! The numbers between two reports, as text and on a terminal of a test.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;
use serde_json::{Value, json};

use super::fetch::{Limits, Source};
use super::lines::{self, Order, View};
use super::rates::Rates;
use super::{Action, action, screen};
use crate::report::RunReport;

fn distribution() -> Value {
    json!({ "bounds": [], "counts": [], "sum": 0.0 })
}

/// A step on one worker, with changes.
fn step(step: &str, operator: &str, kind: &str, changes: Value) -> Value {
    let mut numbers = json!({
        "worker": 0, "items_in": 0, "batches_in": 0, "items_out": 0, "batches_out": 0, "busy_seconds": 0.0,
        "outputs": [], "keys": null, "state_bytes": null, "saved_bytes": 0, "watermark": null, "partitions": [],
        "batch_seconds": distribution(), "notify_seconds": distribution(), "end_seconds": distribution(),
        "snapshot_seconds": distribution(), "polled_items": distribution(),
    });
    for (name, value) in changes.as_object().unwrap() {
        numbers[name] = value.clone();
    }
    json!({ "step": step, "operator": operator, "kind": kind, "inputs": [], "workers": [numbers] })
}

/// A report after so many seconds, in which 1000 items a second went through a slow map.
fn report(seconds: u64) -> RunReport {
    let (items, half) = (1000 * seconds, seconds as f64 / 2.0);
    let kind = |kind: crate::ids::StepKind| serde_json::to_value(kind).unwrap();
    let kind = |of| kind(of).as_str().unwrap().to_owned();
    let (source, stateless) = (
        kind(crate::ids::StepKind::Source),
        kind(crate::ids::StepKind::Stateless),
    );
    let stateful = kind(crate::ids::StepKind::Stateful);
    let report = json!({
        "flow": "orders", "process": 0, "read_at": "2026-01-01T00:00:00Z", "state": "running",
        "seconds": seconds as f64, "execution": 3,
        "workers": [{
            "worker": 0, "runs": true, "epoch": 71, "epoch_seconds": 4.1, "epochs_complete": 70,
            "last": { "epoch": 70, "seconds": 0.084, "bytes": 1_258_291, "age_seconds": 4.1 },
            "unfinished": null, "saved_bytes": 0,
        }],
        "steps": [
            step("orders.in", "input", &source, json!({ "items_out": items })),
            step("orders.enrich", "map_with", &stateless, json!({
                "items_in": items, "items_out": items, "busy_seconds": seconds as f64,
            })),
            step("orders.sums", "stateful_map", &stateful, json!({
                "items_in": items, "items_out": items / 2, "busy_seconds": half, "keys": 1_000_000, "state_bytes": 64 << 20,
                "watermark": { "at": "2026-01-01T00:00:00Z", "behind_seconds": 75.0, "worker": null, "partition": null },
                "outputs": [{ "name": "late", "items": 12, "batches": 1, "dropped": 0 }],
            })),
        ],
        "edges": [{
            "from": "orders.in", "to": "orders.sums", "input": 0, "worker": 0, "items": items, "batches": 1, "bytes": 8,
            "queued_bytes": 95, "limit_bytes": 100, "waited_seconds": half, "waits": true,
        }],
        "stores": [],
        "stalls": [],
    });
    serde_json::from_value(report).unwrap()
}

fn rates() -> Rates {
    let mut rates = Rates::default();
    rates.update(report(10));
    rates.update(report(12));
    rates
}

#[test]
fn rates_are_those_between_two_reports() {
    let text = lines::text(&rates(), &View::default());
    let expected = "\
orders: running for 12 s, process 0, execution 3, 1 worker
1000 items/s, 12.0k in all, 12 late
epoch 71, epoch 70 complete 4.1 s ago after 84 ms, 1.2 MiB saved

STEP           OPERATOR      IN/S  OUT/S  BUSY  WAIT  QUEUE   KEYS     STATE  BEHIND  LATE  ERRORS
orders.in      input            0   1000    0%    0%
orders.enrich  map_with      1000   1000  100%    0%
orders.sums    stateful_map  1000    500   50%   50%    95%  1000.0k  64.0 MiB    75 s    12
";
    let squeezed = |text: &str| -> Vec<String> {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().map(words).collect()
    };
    assert_eq!(squeezed(&text), squeezed(expected));
}

#[test]
fn a_restart_begins_anew() {
    let mut rates = rates();
    rates.update(report(2));
    let steps = rates.of_steps();
    assert_eq!(steps[1].items_in, 1000.0);
    let mut later = report(4);
    later.execution = Some(4);
    rates.update(later);
    assert_eq!(rates.of_steps()[1].items_in, 1000.0);
}

#[test]
fn steps_are_sorted_and_scrolled() {
    let mut view = View::default();
    let mut orders = Vec::new();
    for _ in 0..5 {
        let rows = lines::rows(&rates(), &view);
        let names: Vec<_> = rows.iter().map(|(step, _)| step.step.clone()).collect();
        orders.push((view.order, names));
        view.follow(Action::Sort, 3);
    }
    let names = |names: [&str; 3]| names.map(|name| format!("orders.{name}")).to_vec();
    let expected = [
        (Order::Flow, names(["in", "enrich", "sums"])),
        (Order::Busy, names(["enrich", "sums", "in"])),
        (Order::Items, names(["in", "enrich", "sums"])),
        (Order::State, names(["sums", "in", "enrich"])),
        (Order::Flow, names(["in", "enrich", "sums"])),
    ];
    assert_eq!(orders, expected);

    let mut view = View::default();
    for (by, first) in [(1, 1), (10, 2), (-1, 1), (isize::MIN, 0), (isize::MAX, 2)] {
        view.follow(Action::Move(by), 3);
        assert_eq!(view.first, first);
    }
    assert_eq!(lines::rows(&rates(), &view).len(), 1);
}

#[test]
fn keys_have_their_actions() {
    let of = |code| action(KeyEvent::new(code, KeyModifiers::NONE));
    assert_eq!(of(KeyCode::Char('q')), Action::Quit);
    assert_eq!(of(KeyCode::Char('s')), Action::Sort);
    assert_eq!(of(KeyCode::Char(' ')), Action::Pause);
    assert_eq!(of(KeyCode::Down), Action::Move(1));
    assert_eq!(of(KeyCode::Char('c')), Action::Nothing);
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(action(interrupt), Action::Quit);
}

/// The lines of a terminal of this size.
fn screen_of(rates: &Rates, view: &View, size: (u16, u16)) -> (Vec<String>, TestBackend) {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal
        .draw(|frame| screen::draw(frame, rates, view))
        .unwrap();
    let buffer = terminal.backend().buffer().clone();
    let rows = buffer.content.chunks(usize::from(size.0));
    let lines = rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>());
    let lines = lines.map(|line| line.trim_end().to_owned());
    (lines.collect(), terminal.backend().clone())
}

#[test]
fn a_terminal_shows_the_run_its_stalls_and_its_steps() {
    let mut now = report(12);
    now.stalls = serde_json::from_value(json!([{
        "kind": "step", "step": "orders.enrich", "worker": 0, "partition": null, "seconds": 3.2,
        "cause": "step `orders.enrich` does not return",
    }]))
    .unwrap();
    let mut rates = Rates::default();
    rates.update(report(10));
    rates.update(now);
    let view = View {
        problem: Some("no run answers".to_owned()),
        ..View::default()
    };
    let (lines, backend) = screen_of(&rates, &view, (160, 14));
    assert!(
        lines[0].starts_with("orders: running for 12 s"),
        "{lines:#?}"
    );
    assert_eq!(
        lines[3],
        "stalled for 3.2 s: step `orders.enrich` does not return"
    );
    assert_eq!(lines[4], "no run answers");
    assert!(lines[6].starts_with("STEP"), "{lines:#?}");
    assert!(lines[6].contains("OPERATOR"), "{lines:#?}");
    assert!(lines[8].starts_with("orders.enrich"), "{lines:#?}");
    assert!(
        lines[13].starts_with("sorted by the flow (s)"),
        "{lines:#?}"
    );
    assert_eq!(backend.buffer()[(0, 3)].fg, Color::Red);

    let view = View {
        is_paused: true,
        ..View::default()
    };
    // Small terminals show fewer columns and rows, whatever their size.
    for size in [(100, 12), (40, 5), (5, 2), (1, 1)] {
        let (lines, _) = screen_of(&rates, &view, size);
        assert!(!lines.concat().contains("OPERATOR"), "{lines:#?}");
    }
    let (lines, _) = screen_of(&rates, &view, (100, 12));
    assert!(lines[11].starts_with("paused; sorted by"), "{lines:#?}");
}

/// A server that answers one request with a body.
fn server(body: String) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(head).unwrap()
    });
    (address, thread)
}

#[test]
fn a_report_is_read_from_its_server() {
    let sent = report(12);
    let (address, thread) = server(serde_json::to_string(&sent).unwrap());
    let source = Source::new(&address).unwrap();
    assert_eq!(source.report().unwrap(), sent);
    let head = thread.join().unwrap();
    assert!(
        head.starts_with("GET /api/v1/report HTTP/1.1\r\n"),
        "{head}"
    );

    let (address, thread) = server("{}".to_owned());
    let error = Source::new(&address)
        .unwrap()
        .report()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&format!("what `{address}` answers is no report")),
        "{error}"
    );
    thread.join().unwrap();

    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = gone.local_addr().unwrap().port();
    drop(gone);
    let error = Source::new(&port.to_string())
        .unwrap()
        .report()
        .unwrap_err()
        .to_string();
    let expected = format!("no run answers at `127.0.0.1:{port}`");
    assert!(error.starts_with(&expected), "{error}");
    for wrong in ["", "host", "host:", "host:1/path", "host:x"] {
        let error = Source::new(wrong).err().unwrap().to_string();
        assert!(
            error.contains("is no address of a run; give `host:port`"),
            "{wrong}: {error}"
        );
    }
}

/// What the source says of a report, within these limits.
fn refused(address: &str, limits: Limits) -> String {
    let source = Source::with(address, limits).unwrap();
    source.report().unwrap_err().report()
}

#[test]
fn an_answer_is_limited_in_size_and_time() {
    const ENOUGH: Limits = Limits {
        time: Duration::from_secs(60),
        head_bytes: 1 << 10,
        bytes: 100,
    };
    let body = |bytes| " ".repeat(bytes);
    // The limit is inclusive: what is read is no report.
    let (address, thread) = server(body(100));
    let said = refused(&address, ENOUGH);
    assert!(said.contains("is no report of a run"), "{said}");
    thread.join().unwrap();
    let (address, thread) = server(body(101));
    let said = refused(&address, ENOUGH);
    assert!(
        said.contains("the response body is larger than request limit: 100"),
        "{said}"
    );
    thread.join().unwrap();

    let (address, thread) = server(body(0));
    let head_bytes = 20;
    let said = refused(
        &address,
        Limits {
            head_bytes,
            ..ENOUGH
        },
    );
    assert!(said.contains("response header is too big"), "{said}");
    // It may be disconnected before it has answered.
    let _ = thread.join();

    // It accepts the connection, and answers nothing.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let time = Duration::from_millis(20);
    let said = refused(&address, Limits { time, ..ENOUGH });
    assert!(said.contains("timeout"), "{said}");
}
