//! Heads, sources, edges and saving, with a test in the place of timely.

mod edges;
mod head;
mod saving;
mod source;
