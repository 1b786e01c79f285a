//! Passes the `tracing` subscriber and span of a run to its threads.

use tracing::Span;
use tracing::dispatcher::{self, Dispatch};
use tracing::subscriber::NoSubscriber;

/// The subscriber and the span of a thread, for the threads that it starts: their events belong to the same
/// run.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    subscriber: Option<Dispatch>,
    span: Span,
}

impl Logged {
    /// Those of the calling thread.
    pub(crate) fn here() -> Self {
        let subscriber = dispatcher::get_default(Clone::clone);
        Self {
            // The program may still set one for all threads.
            subscriber: (!subscriber.is::<NoSubscriber>()).then_some(subscriber),
            span: Span::current(),
        }
    }

    /// The same context within a span.
    pub(crate) fn within(self, span: Span) -> Self {
        Self { span, ..self }
    }

    /// Calls a function on another thread with this context.
    pub(crate) fn run<T>(self, body: impl FnOnce() -> T) -> T {
        let Self { subscriber, span } = self;
        let body = || span.in_scope(body);
        match &subscriber {
            Some(subscriber) => dispatcher::with_default(subscriber, body),
            None => body(),
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! What is logged, for tests.

    use std::fmt::{Debug, Write as _};
    use std::sync::{Arc, Mutex, PoisonError};

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Level, Metadata, Subscriber};

    /// Records events and the beginnings of spans as lines, down to a level.
    #[derive(Clone)]
    pub(crate) struct Heard {
        most: Level,
        lines: Arc<Mutex<Vec<String>>>,
    }

    impl Heard {
        /// Returns the log of a call, by this thread and those of the runs that it starts.
        pub(crate) fn of(most: Level, body: impl FnOnce()) -> Vec<String> {
            let heard = Self {
                most,
                lines: Arc::default(),
            };
            tracing::subscriber::with_default(heard.clone(), body);
            let lines = heard.lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.clone()
        }

        fn note(&self, line: String) {
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push(line);
        }
    }

    /// The message, followed by the values.
    #[derive(Default)]
    struct Fields {
        message: String,
        values: String,
    }

    impl Visit for Fields {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            if field.name() == "message" {
                self.message = format!("{value:?}");
            } else {
                let _ = write!(self.values, " {}={value:?}", field.name());
            }
        }
    }

    impl Subscriber for Heard {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target().starts_with("bytewax") && *metadata.level() <= self.most
        }

        fn new_span(&self, attributes: &Attributes<'_>) -> Id {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            let name = attributes.metadata().name();
            self.note(format!("span {name}{}", fields.values));
            Id::from_u64(1)
        }

        fn event(&self, event: &Event<'_>) {
            let mut fields = Fields::default();
            event.record(&mut fields);
            let level = event.metadata().level();
            self.note(format!("{level} {}{}", fields.message, fields.values));
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }
}
