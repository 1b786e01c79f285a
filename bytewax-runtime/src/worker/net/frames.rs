//! Tracks the frames of a data connection.

/// Bytes of a header: six numbers of eight bytes.
const HEADER: usize = 48;
/// The offset of the payload length in it.
const LENGTH: usize = 32;

/// Follows timely's frames as they pass: a header, then as many bytes as it announces, until a header that
/// announces none, which is the last.
#[derive(Debug)]
pub(super) struct Frames {
    header: [u8; HEADER],
    have: usize,
    payload: u64,
    ended: bool,
}

impl Frames {
    /// The start of a connection.
    pub(super) fn new() -> Self {
        Self {
            header: [0; HEADER],
            have: 0,
            payload: 0,
            ended: false,
        }
    }

    /// Records bytes that have passed. Returns false if some follow the end.
    #[must_use]
    pub(super) fn pass(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            if self.ended {
                return false;
            }
            let take = bytes
                .len()
                .min(usize::try_from(self.needed()).unwrap_or(usize::MAX));
            let (part, rest) = bytes.split_at(take);
            bytes = rest;
            if self.payload > 0 {
                self.payload -= take as u64;
                continue;
            }
            self.header[self.have..self.have + take].copy_from_slice(part);
            self.have += take;
            if self.have == HEADER {
                self.have = 0;
                self.payload = self.announced();
                self.ended = self.payload == 0;
            }
        }
        true
    }

    /// Whether the last frame has passed.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Whether a frame has begun and not ended.
    pub(super) fn inside(&self) -> bool {
        self.have > 0 || self.payload > 0
    }

    /// The number of bytes missing to the end of the present header or payload.
    pub(super) fn needed(&self) -> u64 {
        match (self.ended, self.payload) {
            (true, _) => 0,
            (false, 0) => (HEADER - self.have) as u64,
            (false, payload) => payload,
        }
    }

    fn announced(&self) -> u64 {
        let mut length = [0; 8];
        length.copy_from_slice(&self.header[LENGTH..LENGTH + 8]);
        u64::from_be_bytes(length)
    }
}

#[cfg(test)]
mod tests {
    use timely::communication::networking::MessageHeader;

    use super::*;

    fn frame(length: usize) -> Vec<u8> {
        let header = MessageHeader {
            channel: 3,
            source: 1,
            target_lower: 0,
            target_upper: 1,
            length,
            seqno: 8,
        };
        let mut bytes = Vec::new();
        header.write_to(&mut bytes).expect("a vector takes all");
        bytes.resize(HEADER + length, 0);
        bytes
    }

    #[test]
    fn the_end_is_told_from_a_payload_of_zeros() {
        let mut frames = Frames::new();
        assert!(frames.pass(&frame(200)));
        assert!(!frames.ended() && !frames.inside());
        assert!(frames.pass(&[0; HEADER]));
        assert!(frames.ended());
        assert!(!frames.pass(&[0]));
    }

    #[test]
    fn pieces_of_any_size_pass() {
        let mut all = frame(5);
        all.extend(frame(100));
        all.extend([0; HEADER]);
        for size in 1..all.len() {
            let mut frames = Frames::new();
            let mut passed = 0;
            for part in all.chunks(size) {
                assert!(!frames.ended());
                assert!(frames.pass(part));
                passed += part.len();
                let boundary = [0, HEADER + 5, 2 * HEADER + 105, all.len()].contains(&passed);
                assert_eq!(frames.inside(), !boundary);
            }
            assert!(frames.ended());
        }
    }
}
