//! What is saved, and how it is resumed.

mod basics;
