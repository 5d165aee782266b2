//! Canonical CBOR (RFC 8949, section 4.2.1) of the few shapes that a block chain hashes.
//!
//! Written by hand because a chain spends a third of its time here: every length and number takes
//! its shortest form, which is all that canonical asks of values without maps and floats.

/// Major types of RFC 8949, section 3.1, in the high three bits of a head.
const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1 << 5;
const BYTES: u8 = 2 << 5;
const TEXT: u8 = 3 << 5;
const ARRAY: u8 = 4 << 5;
const NULL: u8 = 0xf6;

/// Canonical CBOR written to memory.
#[derive(Default)]
pub(crate) struct Cbor {
    bytes: Vec<u8>,
}

impl Cbor {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn head(&mut self, major: u8, value: u64) {
        match value {
            0..=23 => self.bytes.push(major | value as u8),
            24..=0xff => self.bytes.extend_from_slice(&[major | 24, value as u8]),
            0x100..=0xffff => {
                let [a, b] = (value as u16).to_be_bytes();
                self.bytes.extend_from_slice(&[major | 25, a, b]);
            }
            0x1_0000..=0xffff_ffff => {
                let [a, b, c, d] = (value as u32).to_be_bytes();
                self.bytes.extend_from_slice(&[major | 26, a, b, c, d]);
            }
            _ => {
                self.bytes.push(major | 27);
                self.bytes.extend_from_slice(&value.to_be_bytes());
            }
        }
    }

    pub(crate) fn null(&mut self) {
        self.bytes.push(NULL);
    }

    pub(crate) fn array(&mut self, len: usize) {
        self.head(ARRAY, len as u64);
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.head(BYTES, value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.head(TEXT, value.len() as u64);
        self.bytes.extend_from_slice(value.as_bytes());
    }

    pub(crate) fn signed(&mut self, value: i64) {
        match u64::try_from(value) {
            Ok(positive) => self.head(UNSIGNED, positive),
            // CBOR writes a negative number n as -1 - n, which is n with its bits inverted.
            Err(_) => self.head(NEGATIVE, !value as u64),
        }
    }

    /// An array of token ids. The capacity check is made once, not once a token.
    pub(crate) fn tokens(&mut self, tokens: &[u32]) {
        self.array(tokens.len());
        // A head of a 32-bit number is at most five bytes.
        self.bytes.reserve(tokens.len() * 5);
        for token in tokens {
            self.head(UNSIGNED, u64::from(*token));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_takes_its_shortest_form() {
        // RFC 8949, appendix A.
        let cases: [(i64, &[u8]); 12] = [
            (0, &[0x00]),
            (23, &[0x17]),
            (24, &[0x18, 0x18]),
            (100, &[0x18, 0x64]),
            (1_000, &[0x19, 0x03, 0xe8]),
            (1_000_000, &[0x1a, 0x00, 0x0f, 0x42, 0x40]),
            (
                1_000_000_000_000,
                &[0x1b, 0x00, 0x00, 0x00, 0xe8, 0xd4, 0xa5, 0x10, 0x00],
            ),
            (-1, &[0x20]),
            (-10, &[0x29]),
            (-100, &[0x38, 0x63]),
            (-1_000, &[0x39, 0x03, 0xe7]),
            (i64::from(u32::MAX), &[0x1a, 0xff, 0xff, 0xff, 0xff]),
        ];
        for (number, expected) in cases {
            let mut cbor = Cbor::default();
            cbor.signed(number);
            assert_eq!(cbor.as_bytes(), expected, "{number}");
        }
    }

    #[test]
    fn strings_arrays_and_null_have_their_heads() {
        let mut cbor = Cbor::default();
        cbor.array(4);
        cbor.bytes(&[1, 2]);
        cbor.text("IETF");
        cbor.tokens(&[1, 500]);
        cbor.null();
        let expected = [
            0x84, 0x42, 1, 2, 0x64, b'I', b'E', b'T', b'F', 0x82, 0x01, 0x19, 0x01, 0xf4, 0xf6,
        ];
        assert_eq!(cbor.as_bytes(), expected);
    }
}
