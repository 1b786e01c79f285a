//! How events are written.

#[cfg(feature = "recovery")]
mod flows;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use super::*;

/// What is written.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written of these events.
fn written(filter: Option<&str>, format: LogFormat, events: impl FnOnce()) -> String {
    let filter = filter.map(|filter| filter.parse::<LogFilter>().unwrap());
    let paper = Paper::default();
    let made = paper.clone();
    let dispatch = subscriber(filter.as_ref(), format, None, move || made.clone());
    dispatcher::with_default(&dispatch, events);
    let bytes = paper.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn events() {
    let span = tracing::info_span!("run", flow = "f");
    let _span = span.enter();
    tracing::warn!(
        step = "f.skip",
        skipped = 3,
        "step `f.skip`: 3 errors were skipped"
    );
    tracing::debug!("for those who look closer");
    tracing::info!(target: "other", "of the program");
}

#[test]
fn unless_told_the_messages_of_the_library_are_logged_alone() {
    let text = written(None, LogFormat::Text, events);
    assert_eq!(text, "step `f.skip`: 3 errors were skipped\n");
}

#[test]
fn with_a_filter_spans_and_values_are_logged_too() {
    let text = written(Some("debug"), LogFormat::Text, events);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(
        lines[0].contains(" WARN run{flow=\"f\"}: bytewax_runtime::"),
        "{text}"
    );
    let end = "step `f.skip`: 3 errors were skipped step=\"f.skip\" skipped=3";
    assert!(lines[0].ends_with(end), "{text}");
    assert!(lines[1].contains("DEBUG"), "{text}");
    assert!(lines[2].contains("other: of the program"), "{text}");
    let text = written(Some("error,other=info"), LogFormat::Text, events);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert_eq!(written(Some("off"), LogFormat::Text, events), "");
}

#[test]
fn json_is_one_object_a_line() {
    let text = written(None, LogFormat::Json, events);
    assert_eq!(text.lines().count(), 1, "{text}");
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["message"], "step `f.skip`: 3 errors were skipped");
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["skipped"], 3);
    assert_eq!(line["span"]["flow"], "f");
}

#[test]
fn a_filter_that_makes_no_sense_is_refused() {
    for text in ["", "loud", "bytewax=loud", "a=b=c", "warn,,info"] {
        let error = text.parse::<LogFilter>().unwrap_err();
        assert!(error.starts_with("give a level"), "{text}");
    }
    for text in ["off", "WARN", "warn,bytewax=debug", "warn, bytewax=off"] {
        assert!(text.parse::<LogFilter>().is_ok(), "{text}");
    }
}
