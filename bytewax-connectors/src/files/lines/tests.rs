use std::io::Cursor;

use proptest::prelude::*;

use super::*;

const NO_LIMITS: Limits = Limits {
    chunk_bytes: 64,
    batch_lines: 1000,
    max_line_bytes: usize::MAX,
};

fn chunk(chunk_bytes: usize) -> Limits {
    Limits {
        chunk_bytes,
        ..NO_LIMITS
    }
}

fn batch(batch_lines: usize) -> Limits {
    Limits {
        batch_lines,
        ..NO_LIMITS
    }
}

fn max_line(max_line_bytes: usize) -> Limits {
    Limits {
        max_line_bytes,
        ..NO_LIMITS
    }
}

/// All batches from a saved position on, each with the position after it, and the fault after them.
type Pass = (Vec<(Vec<String>, u64)>, Option<Fault>);

fn pass(bytes: &[u8], position: u64, limits: Limits) -> Pass {
    let mut input = Cursor::new(bytes);
    let position = seek_line(&mut input, position).unwrap();
    let mut lines = Lines::new(input, position, limits);
    let mut batches = Vec::new();
    loop {
        match lines.next_batch() {
            Err(fault) => return (batches, Some(fault)),
            Ok(batch) if batch.is_empty() => return (batches, None),
            Ok(batch) => {
                assert!(batch.len() <= limits.batch_lines);
                batches.push((batch, lines.position()));
            }
        }
    }
}

/// Lines, each with the position after it.
fn lines_of(bytes: &[u8], position: u64, limits: Limits) -> Vec<(String, u64)> {
    let (batches, fault) = pass(
        bytes,
        position,
        Limits {
            batch_lines: 1,
            ..limits
        },
    );
    assert!(fault.is_none(), "{fault:?}");
    batches
        .into_iter()
        .map(|(mut lines, position)| (lines.remove(0), position))
        .collect()
}

/// What lines are, said in the plainest way.
fn model(text: &str) -> Vec<String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

fn check_lines(text: &str, expect: &[(&str, u64)]) {
    for chunk_bytes in 1..=text.len() + 1 {
        let lines = lines_of(text.as_bytes(), 0, chunk(chunk_bytes));
        let lines: Vec<_> = lines
            .iter()
            .map(|(line, at)| (line.as_str(), *at))
            .collect();
        assert_eq!(lines, expect, "{text:?} read by {chunk_bytes} bytes");
    }
}

#[test]
fn lines_and_positions() {
    check_lines("", &[]);
    check_lines("\n", &[("", 1)]);
    check_lines("\r", &[("", 1)]);
    check_lines("\r\n", &[("", 2)]);
    check_lines("\n\r", &[("", 1), ("", 2)]);
    check_lines("\r\r\n", &[("", 1), ("", 3)]);
    check_lines("\r\n\n", &[("", 2), ("", 3)]);
    check_lines("one", &[("one", 3)]);
    check_lines("one\n", &[("one", 4)]);
    check_lines("one\r", &[("one", 4)]);
    check_lines("one\r\n", &[("one", 5)]);
    check_lines("one\ntwo", &[("one", 4), ("two", 7)]);
    check_lines("one\rtwo\r", &[("one", 4), ("two", 8)]);
    check_lines("a\r\nb\r\n", &[("a", 3), ("b", 6)]);
    check_lines("ä\r\n€\r𝄞", &[("ä", 4), ("€", 8), ("𝄞", 12)]);
    check_lines(
        "a\u{85}b\u{2028}c\u{b}d\u{c}e",
        &[("a\u{85}b\u{2028}c\u{b}d\u{c}e", 12)],
    );
}

#[test]
fn all_kinds_of_ends_in_one_text() {
    let expect = [
        ("a", 3),
        ("b", 6),
        ("", 8),
        ("c", 10),
        ("d", 12),
        ("", 13),
        ("e", 14),
    ];
    check_lines("a\r\nb\r\n\r\nc\rd\n\ne", &expect);
}

#[test]
fn blank_lines_are_kept() {
    let (batches, _) = pass(b"one\n\ntwo\n\n\nthree\nfour\n\nfive\n", 0, NO_LIMITS);
    assert_eq!(
        batches[0].0,
        ["one", "", "two", "", "", "three", "four", "", "five"]
    );
    assert_eq!(batches.len(), 1);
}

#[test]
fn batches_have_a_number_of_lines_at_the_most() {
    let (batches, _) = pass(b"1\n2\n3\n4\n5\n", 0, batch(2));
    let sizes: Vec<_> = batches
        .iter()
        .map(|(lines, at)| (lines.len(), *at))
        .collect();
    assert_eq!(sizes, [(2, 4), (2, 8), (1, 10)]);
}

#[test]
fn resumed_between_the_halves_of_an_end() {
    assert_eq!(lines_of(b"a\r\nb", 2, NO_LIMITS), [("b".to_owned(), 4)]);
    assert_eq!(lines_of(b"a\r", 2, NO_LIMITS), []);
    assert_eq!(lines_of(b"a\r\n", 2, NO_LIMITS), []);
    // This `\n` is an end of its own.
    assert_eq!(
        lines_of(b"a\n\nb", 2, NO_LIMITS),
        [("".to_owned(), 3), ("b".to_owned(), 4)]
    );
}

fn check_invalid(bytes: &[u8], expect_lines: &[&str], expect_byte: u64) {
    for chunk_bytes in 1..=bytes.len() + 1 {
        let (batches, fault) = pass(bytes, 0, chunk(chunk_bytes));
        let lines: Vec<_> = batches.into_iter().flat_map(|(lines, _)| lines).collect();
        assert_eq!(lines, expect_lines, "read by {chunk_bytes} bytes");
        let Some(Fault::InvalidUtf8 { byte }) = fault else {
            panic!("{fault:?}, read by {chunk_bytes} bytes");
        };
        assert_eq!(byte, expect_byte, "read by {chunk_bytes} bytes");
    }
}

#[test]
fn invalid_bytes_come_after_the_lines_before_them() {
    check_invalid(b"\xff", &[], 0);
    check_invalid(b"one\ntw\xffo\nthree\n", &["one"], 6);
    check_invalid(b"one\r\xff\n", &["one"], 4);
    check_invalid(b"one\r\n\xff", &["one"], 5);
    // A character cut by an end, and one cut by the end of the input.
    check_invalid(b"a\n\xe2\x82\n\xac", &["a"], 2);
    check_invalid(b"a\nb\xe2\x82", &["a"], 3);
}

#[test]
fn a_fault_stays() {
    let mut lines = Lines::new(Cursor::new(b"a\n\xff\nb\n"), 0, NO_LIMITS);
    assert_eq!(lines.next_batch().unwrap(), ["a"]);
    for _ in 0..3 {
        assert!(matches!(
            lines.next_batch(),
            Err(Fault::InvalidUtf8 { byte: 2 })
        ));
    }
    assert_eq!(lines.position(), 2);
}

#[test]
fn lines_as_long_as_allowed() {
    for end in ["\n", "\r\n", "\r", ""] {
        for chunk_bytes in 1..20 {
            let limits = Limits {
                chunk_bytes,
                ..max_line(4)
            };
            let (batches, fault) = pass(format!("a\n1234{end}").as_bytes(), 0, limits);
            let lines: Vec<_> = batches.into_iter().flat_map(|(lines, _)| lines).collect();
            assert_eq!(lines, ["a", "1234"]);
            assert!(fault.is_none());

            let (batches, fault) = pass(format!("a\n12345{end}").as_bytes(), 0, limits);
            let lines: Vec<_> = batches.into_iter().flat_map(|(lines, _)| lines).collect();
            assert_eq!(lines, ["a"]);
            assert!(
                matches!(fault, Some(Fault::LineTooLong { byte: 2 })),
                "{fault:?}"
            );
        }
    }
}

#[test]
fn an_endless_line_is_not_read_to_its_end() {
    let mut lines = Lines::new(io::repeat(b'x'), 0, max_line(1000));
    assert!(matches!(
        lines.next_batch(),
        Err(Fault::LineTooLong { byte: 0 })
    ));
}

#[test]
fn interrupted_and_failed_reads() {
    struct Moody(Vec<io::Result<&'static [u8]>>);
    impl Read for Moody {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.pop() {
                None => Ok(0),
                Some(Err(error)) => Err(error),
                Some(Ok(bytes)) => {
                    buffer[..bytes.len()].copy_from_slice(bytes);
                    Ok(bytes.len())
                }
            }
        }
    }
    let mut answers = vec![
        Ok(&b"one\ntw"[..]),
        Err(io::ErrorKind::Interrupted.into()),
        Err(io::ErrorKind::TimedOut.into()),
        Ok(&b"o\n"[..]),
    ];
    answers.reverse();
    let mut lines = Lines::new(Moody(answers), 0, NO_LIMITS);
    assert_eq!(lines.next_batch().unwrap(), ["one"]);
    let Err(Fault::Read(error)) = lines.next_batch() else {
        panic!("the read fails");
    };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(lines.position(), 4);
    assert_eq!(lines.next_batch().unwrap(), ["two"]);
    assert!(lines.next_batch().unwrap().is_empty());
}

#[test]
fn an_input_that_has_ended_is_not_read_again() {
    struct Growing(u8);
    impl Read for Growing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            buffer[0] = b'x';
            Ok(usize::from(self.0 % 2))
        }
    }
    let mut lines = Lines::new(Growing(0), 0, NO_LIMITS);
    assert_eq!(lines.next_batch().unwrap(), ["x"]);
    for _ in 0..3 {
        assert!(lines.next_batch().unwrap().is_empty());
        assert_eq!(lines.position(), 1);
    }
}

/// Texts with many ends, of all kinds.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n".to_owned()),
        Just("\r".to_owned()),
        Just("\r\n".to_owned()),
        "[a-zä€𝄞 ]{0,12}",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn limits() -> impl Strategy<Value = Limits> {
    (1_usize..40, 1_usize..8).prop_map(|(chunk_bytes, batch_lines)| Limits {
        chunk_bytes,
        batch_lines,
        max_line_bytes: usize::MAX,
    })
}

proptest! {
    #[test]
    fn lines_are_those_of_the_model(text in texts(), limits in limits()) {
        let (batches, fault) = pass(text.as_bytes(), 0, limits);
        prop_assert!(fault.is_none());
        let end = batches.last().map_or(0, |(_, position)| *position);
        prop_assert_eq!(end, text.len() as u64);
        let lines: Vec<_> = batches.into_iter().flat_map(|(lines, _)| lines).collect();
        prop_assert_eq!(lines, model(&text));
    }

    #[test]
    fn positions_depend_on_the_text_alone(text in texts(), limits in limits()) {
        let lines = lines_of(text.as_bytes(), 0, limits);
        prop_assert_eq!(lines, lines_of(text.as_bytes(), 0, chunk(1 << 20)));
    }

    /// The law of resuming: stopped after any batch, and gone on from there.
    #[test]
    fn resumed_after_any_batch(text in texts(), before in limits(), after in limits()) {
        let expect = model(&text);
        let mut given = Vec::new();
        for (lines, position) in pass(text.as_bytes(), 0, before).0 {
            given.extend(lines);
            let (batches, fault) = pass(text.as_bytes(), position, after);
            prop_assert!(fault.is_none());
            let rest = batches.into_iter().flat_map(|(lines, _)| lines);
            let all: Vec<_> = given.iter().cloned().chain(rest).collect();
            prop_assert_eq!(&all, &expect);
        }
    }

    /// Read to its end when only a part was there, and gone on with when the rest has come.
    #[test]
    fn resumed_after_growth(text in texts(), cut in any::<prop::sample::Index>(), limits in limits()) {
        let cuts: Vec<_> = (0..=text.len()).filter(|at| text.is_char_boundary(*at)).collect();
        let cut = *cut.get(&cuts);
        let (old, new) = text.split_at(cut);
        let batches = pass(old.as_bytes(), 0, limits).0;
        let position = batches.last().map_or(0, |(_, position)| *position);
        prop_assert_eq!(position, cut as u64);
        let more = pass(text.as_bytes(), position, limits).0;
        let lines: Vec<_> = batches.into_iter().chain(more).flat_map(|(lines, _)| lines).collect();

        let mut expect = model(old);
        let half = old.ends_with('\r');
        expect.extend(model(new.strip_prefix('\n').filter(|_| half).unwrap_or(new)));
        prop_assert_eq!(lines, expect);
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), limits in limits()) {
        let (batches, fault) = pass(&bytes, 0, limits);
        let lines: Vec<_> = batches.into_iter().flat_map(|(lines, _)| lines).collect();
        match std::str::from_utf8(&bytes) {
            Ok(text) => prop_assert_eq!(lines, model(text)),
            Err(error) => {
                let Some(Fault::InvalidUtf8 { byte }) = fault else {
                    panic!("{fault:?}");
                };
                prop_assert_eq!(byte, error.valid_up_to() as u64);
                let valid = &bytes[..error.valid_up_to()];
                let whole = &valid[..last_end(valid).unwrap_or(0)];
                prop_assert_eq!(lines, model(std::str::from_utf8(whole).unwrap()));
            }
        }
    }
}
