//! The messages of the control connection.

use super::hello::clip;

/// Longest text of a message.
pub(super) const MAX_TEXT: usize = 64 << 10;

const FAILED: u8 = 1;
const STOP: u8 = 2;
const LOST: u8 = 3;
const CREDIT: u8 = 4;
const HEARTBEAT: u8 = 5;
const BYE: u8 = 6;
const EPOCH: u8 = 7;
const CLEAN_STOP: u8 = 8;
const ASK: u8 = 9;
const ANSWER: u8 = 10;
const STEP: u8 = 11;
const STEPPED: u8 = 12;

/// Longest answer, of all its pieces, and longest step of a savepoint. The text of a longer one is left out.
pub(super) const MAX_ANSWER: usize = 16 << 20;

/// The place of a piece in its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) is_first: bool,
    pub(super) is_last: bool,
}

impl Place {
    fn code(self) -> u8 {
        u8::from(self.is_first) | u8::from(self.is_last) << 1
    }

    fn from_code(code: u8) -> Option<Self> {
        let place = Self {
            is_first: code & 1 != 0,
            is_last: code & 2 != 0,
        };
        (place.code() == code).then_some(place)
    }
}

/// Why a cluster stops without a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// Ctrl-C.
    Interrupted,
    /// The system asked the process to end.
    Terminated,
    /// Somebody asked for it by a request.
    Requested,
    /// A source asked for it.
    Aborted,
}

impl StopReason {
    /// The reason as one byte.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Interrupted => b'i',
            Self::Terminated => b't',
            Self::Requested => b'r',
            Self::Aborted => b'a',
        }
    }

    /// The reason that a byte stands for.
    pub(super) fn from_code(code: u8) -> Option<Self> {
        [
            Self::Interrupted,
            Self::Terminated,
            Self::Requested,
            Self::Aborted,
        ]
        .into_iter()
        .find(|r| r.code() == code)
    }
}

/// A message from one process to another.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Message {
    /// A process has failed.
    Failed {
        process: usize,
        place: Option<String>,
        text: String,
    },
    /// A process was asked to stop.
    Stop { process: usize, reason: StopReason },
    /// A process was asked to stop the cluster after the present epoch.
    CleanStop { process: usize, reason: StopReason },
    /// Process `by` has lost a process.
    Lost {
        process: usize,
        by: usize,
        why: String,
    },
    /// A worker may send more items, of so many bytes.
    Credit { edge: u32, worker: u32, load: u64 },
    /// A worker has begun an epoch; all others follow.
    Epoch(u64),
    /// The sender wants to know the numbers of the receiver; `what` says which.
    Ask { number: u32, what: u8 },
    /// A piece of the numbers of the sender. Answers are long, and other messages must not wait for all of one.
    Answer {
        number: u32,
        place: Place,
        text: String,
    },
    /// The receiver takes a step of a savepoint, which the text describes.
    Step { number: u32, text: String },
    /// What came of it.
    Stepped { number: u32, text: String },
    /// The sender is alive.
    Heartbeat,
    /// The sender has ended without a failure.
    Bye,
}

/// The bytes are no message.
#[derive(Debug, PartialEq)]
pub(super) struct Garbled;

impl Message {
    /// Appends the encoded message.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Failed {
                process,
                place,
                text,
            } => {
                bytes.push(FAILED);
                put_number(bytes, *process);
                bytes.push(u8::from(place.is_some()));
                put_text(bytes, place.as_deref().unwrap_or_default());
                put_text(bytes, text);
            }
            Self::Stop { process, reason } => {
                bytes.push(STOP);
                put_number(bytes, *process);
                bytes.push(reason.code());
            }
            Self::CleanStop { process, reason } => {
                bytes.push(CLEAN_STOP);
                put_number(bytes, *process);
                bytes.push(reason.code());
            }
            Self::Lost { process, by, why } => {
                bytes.push(LOST);
                put_number(bytes, *process);
                put_number(bytes, *by);
                put_text(bytes, why);
            }
            Self::Credit { edge, worker, load } => {
                bytes.push(CREDIT);
                bytes.extend_from_slice(&edge.to_be_bytes());
                bytes.extend_from_slice(&worker.to_be_bytes());
                bytes.extend_from_slice(&load.to_be_bytes());
            }
            Self::Epoch(epoch) => {
                bytes.push(EPOCH);
                bytes.extend_from_slice(&epoch.to_be_bytes());
            }
            Self::Ask { number, what } => {
                bytes.push(ASK);
                bytes.extend_from_slice(&number.to_be_bytes());
                bytes.push(*what);
            }
            Self::Answer {
                number,
                place,
                text,
            } => {
                bytes.push(ANSWER);
                bytes.extend_from_slice(&number.to_be_bytes());
                bytes.push(place.code());
                put_text(bytes, text);
            }
            Self::Step { number, text } => {
                bytes.push(STEP);
                put_step(bytes, *number, text);
            }
            Self::Stepped { number, text } => {
                bytes.push(STEPPED);
                put_step(bytes, *number, text);
            }
            Self::Heartbeat => bytes.push(HEARTBEAT),
            Self::Bye => bytes.push(BYE),
        }
    }

    /// Decodes a message from the start of `bytes`. `None` requests more bytes.
    pub(super) fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, Garbled> {
        let mut rest = Rest(bytes);
        match rest.message() {
            Ok(message) => Ok(Some((message, bytes.len() - rest.0.len()))),
            Err(Short::Bytes) => Ok(None),
            Err(Short::Sense) => Err(Garbled),
        }
    }
}

fn put_number(bytes: &mut Vec<u8>, number: usize) {
    bytes.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes());
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    let text = clip(text, MAX_TEXT);
    put_number(bytes, text.len());
    bytes.extend_from_slice(text.as_bytes());
}

fn put_step(bytes: &mut Vec<u8>, number: u32, text: &str) {
    bytes.extend_from_slice(&number.to_be_bytes());
    let text = if text.len() > MAX_ANSWER { "" } else { text };
    put_number(bytes, text.len());
    bytes.extend_from_slice(text.as_bytes());
}

/// Why decoding stopped.
enum Short {
    Bytes,
    Sense,
}

/// The unread bytes.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn message(&mut self) -> Result<Message, Short> {
        let [kind] = self.take()?;
        Ok(match kind {
            FAILED => {
                let process = self.number()? as usize;
                let [has_place] = self.take()?;
                let place = self.text()?;
                Message::Failed {
                    process,
                    place: (has_place == 1).then_some(place),
                    text: self.text()?,
                }
            }
            STOP => {
                let (process, reason) = self.stop()?;
                Message::Stop { process, reason }
            }
            CLEAN_STOP => {
                let (process, reason) = self.stop()?;
                Message::CleanStop { process, reason }
            }
            LOST => Message::Lost {
                process: self.number()? as usize,
                by: self.number()? as usize,
                why: self.text()?,
            },
            CREDIT => Message::Credit {
                edge: self.number()?,
                worker: self.number()?,
                load: u64::from_be_bytes(self.take()?),
            },
            EPOCH => Message::Epoch(u64::from_be_bytes(self.take()?)),
            ASK => {
                let number = self.number()?;
                let [what] = self.take()?;
                Message::Ask { number, what }
            }
            ANSWER => {
                let number = self.number()?;
                let [place] = self.take()?;
                Message::Answer {
                    number,
                    place: Place::from_code(place).ok_or(Short::Sense)?,
                    text: self.text()?,
                }
            }
            STEP => Message::Step {
                number: self.number()?,
                text: self.text_of(MAX_ANSWER)?,
            },
            STEPPED => Message::Stepped {
                number: self.number()?,
                text: self.text_of(MAX_ANSWER)?,
            },
            HEARTBEAT => Message::Heartbeat,
            BYE => Message::Bye,
            _ => return Err(Short::Sense),
        })
    }

    fn stop(&mut self) -> Result<(usize, StopReason), Short> {
        let process = self.number()? as usize;
        let [code] = self.take()?;
        let reason = StopReason::from_code(code).ok_or(Short::Sense)?;
        Ok((process, reason))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let (part, rest) = self.0.split_first_chunk().ok_or(Short::Bytes)?;
        self.0 = rest;
        Ok(*part)
    }

    fn number(&mut self) -> Result<u32, Short> {
        Ok(u32::from_be_bytes(self.take()?))
    }

    fn text(&mut self) -> Result<String, Short> {
        self.text_of(MAX_TEXT)
    }

    fn text_of(&mut self, most: usize) -> Result<String, Short> {
        let length = self.number()? as usize;
        if length > most {
            return Err(Short::Sense);
        }
        let part: &'a [u8] = self.0.get(..length).ok_or(Short::Bytes)?;
        self.0 = &self.0[length..];
        String::from_utf8(part.to_vec()).map_err(|_| Short::Sense)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_through_in_pieces() {
        let messages = [
            Message::Failed {
                process: 2,
                place: Some(String::from("step `a.map`, key `7`, worker 1")),
                text: "é".repeat(9),
            },
            Message::Failed {
                process: 0,
                place: None,
                text: String::new(),
            },
            Message::Stop {
                process: 1,
                reason: StopReason::Aborted,
            },
            Message::CleanStop {
                process: 2,
                reason: StopReason::Terminated,
            },
            Message::Lost {
                process: 1,
                by: 3,
                why: String::from("is gone"),
            },
            Message::Credit {
                edge: 4,
                worker: 1,
                load: u64::MAX,
            },
            Message::Epoch(u64::MAX),
            Message::Ask { number: 7, what: 3 },
            Message::Answer {
                number: 7,
                place: Place {
                    is_first: true,
                    is_last: false,
                },
                text: "{}".repeat(9),
            },
            Message::Step {
                number: 8,
                text: "[]".repeat(9),
            },
            Message::Stepped {
                number: 8,
                text: String::new(),
            },
            Message::Heartbeat,
            Message::Bye,
        ];
        for message in messages {
            let mut bytes = Vec::new();
            message.encode(&mut bytes);
            for end in 0..bytes.len() {
                assert_eq!(Message::decode(&bytes[..end]), Ok(None), "{message:?}");
            }
            let length = bytes.len();
            bytes.push(FAILED);
            assert_eq!(Message::decode(&bytes), Ok(Some((message, length))));
        }
    }

    #[test]
    fn garbage_is_told() {
        assert_eq!(Message::decode(&[99]), Err(Garbled));
        assert_eq!(Message::decode(&[STOP, 0, 0, 0, 0, b'?']), Err(Garbled));
        assert_eq!(
            Message::decode(&[LOST, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0]),
            Err(Garbled)
        );
        assert_eq!(
            Message::decode(&[LOST, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 255]),
            Err(Garbled)
        );
        assert_eq!(Message::decode(&[ANSWER, 0, 0, 0, 0, 4]), Err(Garbled));
    }

    #[test]
    fn a_long_text_is_clipped() {
        let mut bytes = Vec::new();
        Message::Lost {
            process: 0,
            by: 3,
            why: "x".repeat(MAX_TEXT + 1),
        }
        .encode(&mut bytes);
        let expected = Message::Lost {
            process: 0,
            by: 3,
            why: "x".repeat(MAX_TEXT),
        };
        assert_eq!(Message::decode(&bytes), Ok(Some((expected, bytes.len()))));
    }

    #[test]
    fn a_step_that_is_too_long_is_left_out() {
        let mut bytes = Vec::new();
        let text = "x".repeat(MAX_ANSWER + 1);
        Message::Step { number: 1, text }.encode(&mut bytes);
        let text = String::new();
        let expected = Message::Step { number: 1, text };
        assert_eq!(Message::decode(&bytes), Ok(Some((expected, bytes.len()))));
        let mut announced = vec![STEP, 0, 0, 0, 1];
        announced.extend_from_slice(&(MAX_ANSWER as u32 + 1).to_be_bytes());
        assert_eq!(Message::decode(&announced), Err(Garbled));
    }
}
