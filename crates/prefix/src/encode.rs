//! Canonical CBOR (RFC 8949, section 4.2.1) of the few shapes that a block chain hashes.

use ciborium_ll::{Encoder, Header};

/// Canonical CBOR written to memory. The header encoder chooses the shortest form of every length
/// and number, which is all that canonical asks of values without maps and floats.
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

    fn push(&mut self, header: Header) {
        // A header is one byte and at most eight more (RFC 8949, section 3).
        let mut buffer = [0; 9];
        let mut rest = &mut buffer[..];
        let written = Encoder::from(&mut rest).push(header);
        debug_assert!(written.is_ok(), "nine bytes take every header");
        let len = 9 - rest.len();
        self.bytes.extend_from_slice(&buffer[..len]);
    }

    pub(crate) fn null(&mut self) {
        self.push(Header::Simple(ciborium_ll::simple::NULL));
    }

    pub(crate) fn array(&mut self, len: usize) {
        self.push(Header::Array(Some(len)));
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.push(Header::Bytes(Some(value.len())));
        self.bytes.extend_from_slice(value);
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.push(Header::Text(Some(value.len())));
        self.bytes.extend_from_slice(value.as_bytes());
    }

    pub(crate) fn unsigned(&mut self, value: u64) {
        self.push(Header::Positive(value));
    }

    pub(crate) fn signed(&mut self, value: i64) {
        match u64::try_from(value) {
            Ok(positive) => self.unsigned(positive),
            // CBOR writes a negative number n as -1 - n, which is n with its bits inverted.
            Err(_) => self.push(Header::Negative(!value as u64)),
        }
    }
}
