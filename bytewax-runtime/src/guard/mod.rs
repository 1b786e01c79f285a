//! Turns panics of user code into errors that name the step.

mod place;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use self::place::PanicPlace;
pub(crate) use self::place::{OnPanic, note_item, with_key, with_partition};
use crate::brief::brief_text;
use crate::error::{RunError, RunErrorKind};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Has panics inside [`guard`] told by the error alone, not by the panic hook as well.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if GUARDED.get() {
                PLACE.set(info.location().map(ToString::to_string));
                // What an earlier panic left here, if its user caught it, is of no use to this one.
                PanicPlace::forget();
            } else {
                previous(info);
            }
        }));
    });
}

/// Runs `body`; a panic becomes an error with its text and place in the source.
pub(crate) fn guard<R>(body: impl FnOnce() -> Result<R, RunError>) -> Result<R, RunError> {
    install_hook();
    let outer = GUARDED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(body));
    GUARDED.set(outer);
    result.unwrap_or_else(|payload| {
        let place = PLACE.take();
        let place = place
            .map(|place| format!(" at {place}"))
            .unwrap_or_default();
        let text = format!("panicked{place}: {}", brief_text(message(&*payload)));
        Err(PanicPlace::take().added_to(RunError::new(RunErrorKind::Panic, text)))
    })
}

fn message(payload: &(dyn Any + Send)) -> &str {
    match (
        payload.downcast_ref::<&str>(),
        payload.downcast_ref::<String>(),
    ) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "without a text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_place() {
        let error = guard::<()>(|| panic!("no {}", 7)).unwrap_err();
        assert_eq!(error.kind(), RunErrorKind::Panic);
        assert!(error.to_string().starts_with("panicked at "), "{error}");
        assert!(error.to_string().contains("guard/mod.rs"), "{error}");
        assert!(error.to_string().ends_with(": no 7"), "{error}");
    }

    #[test]
    fn an_error_passes_through() {
        let error = guard::<()>(|| Err(RunError::new(RunErrorKind::Config, "no"))).unwrap_err();
        assert_eq!(error.to_string(), "no");
    }
}
