//! Programs that are edited between two runs. All tests are in `tests/edits`.
