//! What the README shows is what there is.

#[test]
fn the_first_page_is_the_word_count() {
    let readme = include_str!("../../README.md");
    let program = include_str!("../../examples/wordcount.rs");
    assert!(readme.contains(&format!("```rust\n{program}```\n")));
}
