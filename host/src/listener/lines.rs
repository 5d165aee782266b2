//! Follows a client's HTTP/1 bytes and takes only one reading of them: lines end with CRLF
//! (RFC 9112, section 2.2), and the next head is not handed on before the answer to the last.
//!
//! hyper accepts a bare LF as the end of a line. A proxy before us that does not would see one
//! request where we see two.

use super::client_io::Phase;

/// Where in a connection's bytes we are.
#[derive(Debug, Default)]
pub(super) struct Lines(At);

#[derive(Debug, Clone, Copy, Default)]
enum At {
    /// Before a head's first byte.
    #[default]
    Start,
    /// In a head.
    Head(Line),
    /// After a head; the service says next what follows.
    Headed,
    /// In a body of this many more bytes.
    Body(u64),
    /// In a body of chunks.
    Chunks(Chunk),
    /// Something else came. The connection ends.
    Lost,
}

/// A line of a head or of trailers.
#[derive(Debug, Clone, Copy, Default)]
struct Line {
    /// Bytes before its end.
    length: usize,
    /// The last byte was CR.
    cr: bool,
    /// Which of [`LENGTHS`] its beginning may become, by bits.
    becomes: u8,
    /// Which of them this head has.
    has: u8,
}

/// What says how long a body is. A head with both has two readings (RFC 9112, section 6.3).
const LENGTHS: [&[u8]; 2] = [b"content-length", b"transfer-encoding"];
const BOTH: u8 = 0b11;

#[derive(Debug, Clone, Copy)]
enum Chunk {
    /// In a size: its value, its digits, in an extension, after CR.
    Size(u64, u8, bool, bool),
    /// In data.
    Data(u64),
    /// After data: the CR has come.
    DataEnd(bool),
    /// In the trailers.
    Trailers(Line),
}

const NEW_SIZE: Chunk = Chunk::Size(0, 0, false, false);

/// What may be handed on of the bytes that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// This many. What is left is asked for again.
    Bytes(usize),
    /// Up to this byte, which is wrong in a head.
    BadHead(usize),
    /// A body that is not in chunks as announced.
    BadBody,
}

impl Lines {
    /// Whether the next byte is a head's first.
    pub(super) fn between(&self, phase: &Phase) -> bool {
        match self.0 {
            At::Start => true,
            // A head without a body is followed by the next head.
            At::Headed => phase.body() == Some(Some(0)),
            _ => false,
        }
    }

    /// Takes what came.
    pub(super) fn take(&mut self, bytes: &[u8], phase: &Phase) -> Taken {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match self.0 {
                At::Start if phase.is_busy() => return Taken::Bytes(at),
                At::Start => self.0 = At::Head(Line::default()),
                At::Head(mut line) => {
                    for (i, &byte) in rest.iter().enumerate() {
                        match line.step(byte) {
                            Step::On => {}
                            Step::Bad => {
                                self.0 = At::Lost;
                                return Taken::BadHead(at + i);
                            }
                            // Empty lines before a request are allowed (RFC 9112, section 2.2).
                            Step::Empty if line.first() => line = Line::default(),
                            Step::Empty => {
                                self.0 = At::Headed;
                                return Taken::Bytes(at + i + 1);
                            }
                        }
                    }
                    self.0 = At::Head(line);
                    return Taken::Bytes(bytes.len());
                }
                At::Headed => {
                    self.0 = match phase.body() {
                        // No service was asked: hyper has refused the head, and ends.
                        None => At::Lost,
                        Some(Some(0)) => At::Start,
                        Some(Some(length)) => At::Body(length),
                        Some(None) => At::Chunks(NEW_SIZE),
                    };
                }
                At::Body(left) => {
                    let n = left.min(rest.len() as u64);
                    at += n as usize;
                    self.0 = if n == left {
                        At::Start
                    } else {
                        At::Body(left - n)
                    };
                }
                At::Chunks(chunk) => match chunk.step(rest) {
                    None => {
                        self.0 = At::Lost;
                        return Taken::BadBody;
                    }
                    Some((n, next)) => {
                        at += n;
                        self.0 = next.map_or(At::Start, At::Chunks);
                    }
                },
                At::Lost => return Taken::Bytes(bytes.len()),
            }
        }
        Taken::Bytes(at)
    }
}

enum Step {
    On,
    Empty,
    Bad,
}

impl Line {
    /// Marks lines after the first, so that a length of zero ends the head.
    const SEEN: usize = 1 << 48;

    fn first(self) -> bool {
        self.length < Self::SEEN
    }

    fn step(&mut self, byte: u8) -> Step {
        match (self.cr, byte) {
            (true, b'\n') if self.length & (Self::SEEN - 1) == 0 => return Step::Empty,
            (true, b'\n') => {
                *self = Self {
                    length: Self::SEEN,
                    cr: false,
                    ..*self
                }
            }
            (true, _) | (false, b'\n') => return Step::Bad,
            (false, b'\r') => self.cr = true,
            (false, _) => {
                self.read_name(byte);
                self.length += 1;
                if self.has == BOTH {
                    return Step::Bad;
                }
            }
        }
        Step::On
    }

    /// Follows the name of a field, as far as it may be one of [`LENGTHS`].
    fn read_name(&mut self, byte: u8) {
        let at = self.length & (Self::SEEN - 1);
        if at == 0 {
            self.becomes = BOTH;
        }
        if self.becomes == 0 {
            return;
        }
        for (name, bit) in LENGTHS.into_iter().zip([1, 2]) {
            if self.becomes & bit == 0 {
                continue;
            }
            match name.get(at) {
                Some(expected) if expected.eq_ignore_ascii_case(&byte) => continue,
                None if byte == b':' => self.has |= bit,
                _ => {}
            }
            self.becomes &= !bit;
        }
    }
}

impl Chunk {
    /// Takes some bytes, at least one. The chunk after them is none where the body has ended; all is none where
    /// they are wrong.
    fn step(self, bytes: &[u8]) -> Option<(usize, Option<Self>)> {
        let &byte = bytes.first()?;
        let one = |next| Some((1, Some(next)));
        match self {
            Self::Size(value, digits, _, true) => match (byte, digits, value) {
                (b'\n', 1.., 0) => one(Self::Trailers(Line {
                    length: Line::SEEN,
                    ..Line::default()
                })),
                (b'\n', 1.., _) => one(Self::Data(value)),
                _ => None,
            },
            Self::Size(value, digits, extended, false) => match byte {
                b'\r' => one(Self::Size(value, digits, extended, true)),
                b'\n' => None,
                _ if extended => one(self),
                b';' | b' ' | b'\t' if digits > 0 => one(Self::Size(value, digits, true, false)),
                // 15 digits are more than any body may have.
                _ if digits < 15 => {
                    let digit = char::from(byte).to_digit(16)?;
                    one(Self::Size(
                        value * 16 + u64::from(digit),
                        digits + 1,
                        false,
                        false,
                    ))
                }
                _ => None,
            },
            Self::Data(left) => {
                let n = left.min(bytes.len() as u64);
                let next = if n == left {
                    Self::DataEnd(false)
                } else {
                    Self::Data(left - n)
                };
                Some((n as usize, Some(next)))
            }
            Self::DataEnd(false) if byte == b'\r' => one(Self::DataEnd(true)),
            Self::DataEnd(true) if byte == b'\n' => one(NEW_SIZE),
            Self::DataEnd(_) => None,
            Self::Trailers(mut line) => match line.step(byte) {
                Step::On => one(Self::Trailers(line)),
                Step::Empty => Some((1, None)),
                Step::Bad => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `text` in pieces of `size` as a connection would, with `bodies` as what the service says
    /// of each head; gives the number of requests that were seen whole, or what was wrong.
    fn follow(text: &[u8], size: usize, bodies: &[Option<u64>]) -> Result<usize, Taken> {
        let phase = std::sync::Arc::new(Phase::default());
        let mut busy = None;
        let mut lines = Lines::default();
        let mut bodies = bodies.iter();
        let mut heads = 0;
        let mut rest = text;
        while !rest.is_empty() {
            let piece = &rest[..size.min(rest.len())];
            match lines.take(piece, &phase) {
                Taken::Bytes(0) => drop(busy.take()),
                Taken::Bytes(n) => rest = &rest[n..],
                bad => return Err(bad),
            }
            if matches!(lines.0, At::Headed) && !phase.is_busy() {
                heads += 1;
                busy = Some(phase.busy(http::Version::HTTP_11, *bodies.next().unwrap()));
            }
        }
        Ok(heads)
    }

    const HEAD: &str = "POST / HTTP/1.1\r\nhost: a\r\n\r\n";

    #[test]
    fn requests_are_told_apart_however_they_are_cut() {
        let text = format!(
            "\r\n{HEAD}one\n{HEAD}5;x=y\r\na\nb\r\n\r\n0\r\nt: u\r\n\r\n{HEAD}{HEAD}0\r\n\r\n{HEAD}"
        );
        let bodies = [Some(4), None, Some(0), None, Some(0)];
        for size in 1..=text.len() {
            assert_eq!(follow(text.as_bytes(), size, &bodies), Ok(5), "{size}");
        }
    }

    #[test]
    fn a_bare_end_of_line_is_refused_in_every_head() {
        for bad in [
            "GET / HTTP/1.1\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\n\n",
            "GET / HTTP/1.1\r\nx: a\rb\r\n\r\n",
            "\nGET / HTTP/1.1\r\n\r\n",
        ] {
            for (before, bodies) in [
                (String::new(), vec![]),
                (HEAD.to_owned(), vec![Some(0)]),
                (format!("{HEAD}abc"), vec![Some(3)]),
                (format!("{HEAD}3\r\nabc\r\n0\r\n\r\n"), vec![None]),
            ] {
                let text = format!("{before}{bad}");
                for size in 1..=text.len() {
                    let found = follow(text.as_bytes(), size, &bodies);
                    assert!(
                        matches!(found, Err(Taken::BadHead(_))),
                        "{text:?} {size} {found:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_head_says_once_how_long_its_body_is() {
        let of = |fields: &str| format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n");
        let (length, coding) = ("Content-Length: 3\r\n", "transfer-ENCODING: chunked\r\n");
        for bad in [
            of(&format!("{length}{coding}")),
            of(&format!("{coding}{length}")),
            of(&format!("{coding}x: y\r\n{length}")),
        ] {
            for before in ["", "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n"] {
                let text = format!("{before}{bad}");
                for size in 1..=text.len() {
                    let found = follow(text.as_bytes(), size, &[Some(0)]);
                    assert!(
                        matches!(found, Err(Taken::BadHead(_))),
                        "{text:?} {size} {found:?}"
                    );
                }
            }
        }
        for good in [
            of("x-content-length: 1\r\ntransfer-encodings: 1\r\n"),
            of(&format!("{length}{length}transfer-encodin: x\r\n")),
            of(&format!("x: transfer-encoding:\r\n{length}")),
            of(&format!("{length}transfer-encoding\r\n")),
        ] {
            let text = format!("{good}{good}");
            for size in 1..=text.len() {
                let found = follow(text.as_bytes(), size, &[Some(0), Some(0)]);
                assert_eq!(found, Ok(2), "{text:?} {size}");
            }
        }
    }

    #[test]
    fn chunks_have_one_reading() {
        for bad in [
            "3\nabc\r\n0\r\n\r\n",
            "3\r\nabc\n0\r\n\r\n",
            "3\r\nabcd\r\n0\r\n\r\n",
            "\r\n0\r\n\r\n",
            "+3\r\nabc\r\n0\r\n\r\n",
            "0x3\r\nabc\r\n0\r\n\r\n",
            "fffffffffffffffff\r\n",
            "3;a\nb\r\nabc\r\n0\r\n\r\n",
            "0\r\nt: u\n\r\n",
        ] {
            let text = format!("{HEAD}{bad}");
            for size in 1..=text.len() {
                let found = follow(text.as_bytes(), size, &[None]);
                assert_eq!(found, Err(Taken::BadBody), "{bad:?} {size}");
            }
        }
    }
}
