//! Puts the pieces of an answer together.

use super::message::{Garbled, MAX_ANSWER, Place};

/// The pieces of an answer so far, and its number.
#[derive(Default)]
pub(super) struct Pieces(Option<(u32, String)>);

impl Pieces {
    /// Appends a piece. A first piece replaces an answer that was not finished. Returns the answer with the last one,
    /// and an error if no process sends such a piece at this point.
    pub(super) fn add(
        &mut self,
        number: u32,
        place: Place,
        text: &str,
    ) -> Result<Option<(u32, String)>, Garbled> {
        if place.is_first {
            self.0 = Some((number, String::new()));
        }
        let (expected, so_far) = self.0.as_mut().ok_or(Garbled)?;
        if *expected != number || so_far.len() + text.len() > MAX_ANSWER {
            return Err(Garbled);
        }
        so_far.push_str(text);
        Ok(self.0.take_if(|_| place.is_last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Place = Place {
        is_first: true,
        is_last: false,
    };
    const NEXT: Place = Place {
        is_first: false,
        is_last: false,
    };
    const LAST: Place = Place {
        is_first: false,
        is_last: true,
    };

    #[test]
    fn pieces_of_one_answer_become_its_text() {
        let mut pieces = Pieces::default();
        assert_eq!(pieces.add(1, FIRST, "lost"), Ok(None));
        assert_eq!(pieces.add(2, FIRST, "a"), Ok(None));
        assert_eq!(pieces.add(2, NEXT, "b"), Ok(None));
        let whole = Some((2, String::from("abc")));
        assert_eq!(pieces.add(2, LAST, "c"), Ok(whole));
        assert_eq!(pieces.add(2, NEXT, "d"), Err(Garbled), "it has ended");
    }

    #[test]
    fn pieces_that_no_process_sends_are_refused() {
        let mut pieces = Pieces::default();
        assert_eq!(pieces.add(1, LAST, "a"), Err(Garbled));
        assert_eq!(pieces.add(1, FIRST, "a"), Ok(None));
        assert_eq!(pieces.add(2, NEXT, "b"), Err(Garbled));
        let mut pieces = Pieces::default();
        let half = "x".repeat(MAX_ANSWER / 2);
        assert_eq!(pieces.add(1, FIRST, &half), Ok(None));
        assert_eq!(pieces.add(1, NEXT, &half), Ok(None));
        assert_eq!(pieces.add(1, LAST, "x"), Err(Garbled), "it is too long");
    }
}
