//! How many streams at once an HTTP/2 server takes, from the first frame that it sends. hyper keeps this
//! number to itself, and requests beyond it would wait for others to end.

/// A SETTINGS frame's type (RFC 9113, section 6.5), and its acknowledgement's flag.
const SETTINGS: u8 = 4;
const ACK: u8 = 1;
/// `SETTINGS_MAX_CONCURRENT_STREAMS`.
const MAX_CONCURRENT_STREAMS: u16 = 3;
/// A frame's header, and one setting.
const HEADER: usize = 9;
const SETTING: usize = 6;
/// The longest frame that is read: servers send fewer than ten settings.
const LONGEST: usize = 64 * SETTING;

/// The beginning of what a server sends, until its first frame is complete.
#[derive(Debug, Default)]
pub(super) struct Preface(Vec<u8>);

/// What the bytes so far say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The frame goes on.
    More,
    /// The server takes this many streams at once.
    Limit(u32),
    /// It names no limit, or does not speak HTTP/2.
    Nothing,
}

impl Preface {
    pub(super) fn read(&mut self, bytes: &[u8]) -> Found {
        let room = (HEADER + LONGEST).saturating_sub(self.0.len());
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let Some((head, payload)) = self.0.split_at_checked(HEADER) else {
            // A server that answers in HTTP/1.1 begins with `HTTP`; its length would be 4,740,180.
            let begins = self.0.get(..4);
            return match begins {
                Some([_, _, _, kind]) if *kind != SETTINGS => Found::Nothing,
                _ => Found::More,
            };
        };
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let settings = head[3] == SETTINGS && head[4] & ACK == 0 && length <= LONGEST;
        if !settings {
            return Found::Nothing;
        }
        let Some(payload) = payload.get(..length) else {
            return Found::More;
        };
        // The last of several is the one that counts.
        let mut limits = payload.chunks_exact(SETTING).filter_map(|setting| {
            let id = u16::from_be_bytes([setting[0], setting[1]]);
            let value = u32::from_be_bytes([setting[2], setting[3], setting[4], setting[5]]);
            (id == MAX_CONCURRENT_STREAMS).then_some(value)
        });
        limits.next_back().map_or(Found::Nothing, Found::Limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, settings: &[(u16, u32)]) -> Vec<u8> {
        let length = u32::try_from(settings.len() * SETTING).unwrap();
        let mut out = length.to_be_bytes()[1..].to_vec();
        out.extend([kind, flags, 0, 0, 0, 0]);
        for (id, value) in settings {
            out.extend(id.to_be_bytes());
            out.extend(value.to_be_bytes());
        }
        out
    }

    #[test]
    fn the_limit_is_found_however_the_frame_arrives() {
        let mut bytes = frame(SETTINGS, 0, &[(4, 1 << 20), (3, 7), (5, 1 << 14)]);
        let length = bytes.len();
        bytes.extend(b"what comes next");
        for first in 0..bytes.len() {
            let mut preface = Preface::default();
            let found = match preface.read(&bytes[..first]) {
                Found::More => preface.read(&bytes[first..]),
                found => found,
            };
            assert_eq!(found, Found::Limit(7), "cut at {first} of {length}");
        }
    }

    #[test]
    fn what_names_no_limit_says_nothing() {
        for bytes in [
            frame(SETTINGS, 0, &[]),
            frame(SETTINGS, 0, &[(4, 65_535)]),
            frame(SETTINGS, ACK, &[]),
            frame(6, 0, &[(3, 7)]),
            frame(SETTINGS, 0, &[(3, 7); 65]),
            b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
            b"HTTP".to_vec(),
        ] {
            assert_eq!(Preface::default().read(&bytes), Found::Nothing, "{bytes:?}");
        }
        assert_eq!(Preface::default().read(b""), Found::More);
        assert_eq!(Preface::default().read(b"HTT"), Found::More);
    }
}
