use std::io::{Cursor, Read};

use proptest::prelude::*;

use super::super::window::Before;
use super::*;

const CUTTER: LineCutter = LineCutter {
    max_bytes: usize::MAX,
    emit_unended: true,
    skip_long: true,
    skipped: None,
};

fn max_bytes(max_bytes: usize) -> LineCutter {
    LineCutter {
        max_bytes,
        ..CUTTER
    }
}

/// A line, or the beginning of one that is too long, and the position behind it.
type Read1 = (Result<Vec<u8>, Vec<u8>>, u64);

/// All lines from a saved position on.
fn pass(bytes: &[u8], position: u64, chunk_bytes: usize, cutter: &LineCutter) -> Vec<Read1> {
    let mut input = Cursor::new(bytes.to_vec());
    let before = Before::skip(&mut input, position).unwrap();
    let mut window = Window::at(input, chunk_bytes, before);
    begin_line(&mut window).unwrap();
    let mut cutter = cutter.clone();
    let mut lines = Vec::new();
    loop {
        let line = match cutter.next(&mut window).unwrap() {
            Line::End => return lines,
            Line::Whole(cut) => Ok(window.cut(cut).to_vec()),
            Line::TooLong(first) => Err(first),
        };
        lines.push((line, window.position()));
    }
}

fn lines_of(text: &str, position: u64, chunk_bytes: usize) -> Vec<(String, u64)> {
    let lines = pass(text.as_bytes(), position, chunk_bytes, &CUTTER);
    let text = |line: Result<Vec<u8>, _>| String::from_utf8(line.unwrap()).unwrap();
    let lines = lines.into_iter();
    lines
        .map(|(line, position)| (text(line), position))
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
        let lines = lines_of(text, 0, chunk_bytes);
        let lines = lines.iter().map(|(line, at)| (line.as_str(), *at));
        let lines: Vec<_> = lines.collect();
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
    let all = "a\r\nb\r\n\r\nc\rd\n\ne";
    let expect = [
        ("a", 3),
        ("b", 6),
        ("", 8),
        ("c", 10),
        ("d", 12),
        ("", 13),
        ("e", 14),
    ];
    check_lines(all, &expect);
}

#[test]
fn resumed_between_the_halves_of_an_end() {
    assert_eq!(lines_of("a\r\nb", 2, 9), [("b".to_owned(), 4)]);
    assert_eq!(lines_of("a\r", 2, 9), []);
    assert_eq!(lines_of("a\r\n", 2, 9), []);
    // This `\n` is an end of its own.
    assert_eq!(
        lines_of("a\n\nb", 2, 9),
        [(String::new(), 3), ("b".to_owned(), 4)]
    );
}

#[test]
fn lines_as_long_as_allowed() {
    for end in ["\n", "\r\n", "\r", ""] {
        for chunk_bytes in 1..20 {
            let read = |text: &str, cutter: &LineCutter| {
                let lines = pass(text.as_bytes(), 0, chunk_bytes, cutter);
                lines.into_iter().map(|(line, _)| line).collect::<Vec<_>>()
            };
            let (one, long) = (Ok(b"a".to_vec()), Ok(b"1234".to_vec()));
            let text = format!("a\n1234{end}");
            assert_eq!(read(&text, &max_bytes(4)), [one.clone(), long]);

            let text = format!("a\n12345{end}");
            assert_eq!(
                read(&text, &max_bytes(4)),
                [one.clone(), Err(b"1234".to_vec())]
            );

            let text = format!("a\n1234567890\r\na{end}");
            let expect = [one.clone(), Err(b"1234".to_vec()), one];
            assert_eq!(read(&text, &max_bytes(4)), expect);
        }
    }
}

#[test]
fn an_endless_line_is_not_read_to_its_end() {
    let mut window = Window::at(io::repeat(b'x'), 64, Before::default());
    let mut cutter = LineCutter {
        skip_long: false,
        ..max_bytes(1000)
    };
    assert_eq!(
        cutter.next(&mut window).unwrap(),
        Line::TooLong(vec![b'x'; 1000])
    );
    assert_eq!(window.position(), 0);
}

#[test]
fn a_last_line_without_an_end_is_left() {
    let cutter = LineCutter {
        emit_unended: false,
        ..CUTTER
    };
    assert_eq!(pass(b"one\ntw", 0, 3, &cutter), [(Ok(b"one".to_vec()), 4)]);
    assert_eq!(
        pass(b"one\ntwo\n", 4, 3, &cutter),
        [(Ok(b"two".to_vec()), 8)]
    );
}

/// A line that is too long and has not ended is held, without being kept, and is one line when it has grown.
#[test]
fn a_long_line_without_an_end_is_held() {
    struct Pieces(Vec<&'static [u8]>);
    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let piece = self.0.pop().unwrap_or_default();
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }
    // The last one comes first; none is the end of what is there.
    let pieces: Vec<&[u8]> = vec![b"78\nb\n", b"", b"456", b"", b"a\n0123"];
    let mut window = Window::at(Pieces(pieces), 8, Before::default());
    let mut cutter = LineCutter {
        emit_unended: false,
        ..max_bytes(2)
    };
    assert_eq!(cutter.next(&mut window).unwrap(), Line::Whole(0..1));
    let traces = window.traces();
    for _ in 0..2 {
        assert_eq!(cutter.next(&mut window).unwrap(), Line::End);
        assert_eq!(cutter.next(&mut window).unwrap(), Line::End);
        assert_eq!((window.position(), window.traces()), (2, traces));
        window.grow();
    }
    let long = cutter.next(&mut window).unwrap();
    assert_eq!(long, Line::TooLong(b"01".to_vec()));
    assert_eq!(window.position(), 12);
    let next = cutter.next(&mut window).unwrap();
    assert!(matches!(next, Line::Whole(cut) if window.cut(cut.clone()) == b"b"));
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
    let mut window = Window::at(Moody(answers), 64, Before::default());
    let mut cutter = CUTTER;
    let mut next = || {
        let line = cutter.next(&mut window)?;
        let text = match line {
            Line::Whole(cut) => String::from_utf8(window.cut(cut).to_vec()).unwrap(),
            other => format!("{other:?}"),
        };
        Ok::<_, io::Error>((text, window.position()))
    };
    assert_eq!(next().unwrap(), ("one".to_owned(), 4));
    assert_eq!(next().unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(next().unwrap(), ("two".to_owned(), 8));
    assert_eq!(next().unwrap(), ("End".to_owned(), 8));
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
    let mut window = Window::at(Growing(0), 64, Before::default());
    let mut cutter = CUTTER;
    assert_eq!(cutter.next(&mut window).unwrap(), Line::Whole(0..1));
    for _ in 0..3 {
        assert_eq!(cutter.next(&mut window).unwrap(), Line::End);
        assert_eq!(window.position(), 1);
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

proptest! {
    #[test]
    fn lines_are_those_of_the_model(text in texts(), chunk_bytes in 1..40_usize) {
        let lines = lines_of(&text, 0, chunk_bytes);
        prop_assert_eq!(lines.last().map_or(0, |(_, position)| *position), text.len() as u64);
        prop_assert_eq!(&lines, &lines_of(&text, 0, 1 << 20));
        let lines: Vec<_> = lines.into_iter().map(|(line, _)| line).collect();
        prop_assert_eq!(lines, model(&text));
    }

    /// The law of resuming: stopped after any line, and gone on from there.
    #[test]
    fn resumed_after_any_line(text in texts(), before in 1..40_usize, after in 1..40_usize) {
        let lines = lines_of(&text, 0, before);
        for (index, (_, position)) in lines.iter().enumerate() {
            prop_assert_eq!(&lines_of(&text, *position, after), &lines[index + 1..]);
        }
    }

    /// Read to its end when only a part was there, and gone on with when the rest has come.
    #[test]
    fn resumed_after_growth(text in texts(), cut in any::<prop::sample::Index>(), chunk_bytes in 1..40_usize) {
        let cuts: Vec<_> = (0..=text.len()).filter(|at| text.is_char_boundary(*at)).collect();
        let cut = *cut.get(&cuts);
        let (old, new) = text.split_at(cut);
        let lines = lines_of(old, 0, chunk_bytes);
        let position = lines.last().map_or(0, |(_, position)| *position);
        prop_assert_eq!(position, cut as u64);
        let unended = !old.is_empty() && !old.ends_with(['\n', '\r']);
        // What goes on is refused: its first part was read as a line.
        prop_assume!(!unended || new.is_empty() || new.starts_with(['\n', '\r']));
        let more = lines_of(&text, position, chunk_bytes);
        let lines: Vec<_> = lines.into_iter().chain(more).map(|(line, _)| line).collect();

        let mut expect = model(old);
        let half = old.ends_with('\r');
        let rest = match unended {
            true => new.strip_prefix("\r\n").or(new.strip_prefix(['\n', '\r'])),
            false => new.strip_prefix('\n').filter(|_| half),
        };
        expect.extend(model(rest.unwrap_or(new)));
        prop_assert_eq!(lines, expect);
    }

    /// Counted in pieces, the ends are as many as there are lines with one.
    #[test]
    fn ends_are_counted(text in texts(), cut in any::<prop::sample::Index>()) {
        let bytes = text.as_bytes();
        let (first, rest) = bytes.split_at(cut.index(bytes.len() + 1));
        let counted = count_ends(first, None) + count_ends(rest, first.last().copied());
        let unended = !text.is_empty() && !text.ends_with(['\n', '\r']);
        prop_assert_eq!(counted, model(&text).len() as u64 - u64::from(unended));
    }
}
