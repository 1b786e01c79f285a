//! Benchmarks: see the README of this folder.
