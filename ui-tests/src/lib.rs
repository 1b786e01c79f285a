//! Compile errors as users see them: see `tests/ui.rs`.
