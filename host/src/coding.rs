//! Codings of bodies (`content-encoding`), and how they are undone: piece by piece, in bounded memory,
//! whatever the size of what comes out.

use std::pin::Pin;

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use tokio::io::{AsyncRead, BufReader};

/// The most codings of one body: nobody sends more than one, and each costs a buffer.
const MAX_CODINGS: usize = 2;
/// Windows of zstd up to 8 MiB, the most that RFC 9659 allows for this coding.
const ZSTD_WINDOW_LOG: u32 = 23;
/// What is decoded at a time, in bytes.
pub(crate) const PIECE: usize = 16 << 10;

pub(crate) type Reader = Pin<Box<dyn AsyncRead + Send>>;

/// A coding that can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// The codings of a body, in the order in which they were applied; none where one is not known.
pub(crate) fn of(headers: &HeaderMap) -> Option<Vec<Coding>> {
    let mut codings = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        for name in value.to_str().ok()?.split(',') {
            codings.push(match name.trim().to_ascii_lowercase().as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Coding::Gzip,
                "deflate" => Coding::Deflate,
                "br" => Coding::Brotli,
                "zstd" => Coding::Zstd,
                _ => return None,
            });
            if codings.len() > MAX_CODINGS {
                return None;
            }
        }
    }
    Some(codings)
}

/// What is in a coded body.
pub(crate) fn reader(mut reader: Reader, codings: &[Coding]) -> Reader {
    for coding in codings.iter().rev() {
        let coded = BufReader::with_capacity(PIECE, reader);
        reader = match coding {
            Coding::Gzip => {
                let mut decoder = GzipDecoder::new(coded);
                decoder.multiple_members(true);
                Box::pin(decoder)
            }
            Coding::Deflate => Box::pin(ZlibDecoder::new(coded)),
            Coding::Brotli => Box::pin(BrotliDecoder::new(coded)),
            Coding::Zstd => {
                let bound = [DParameter::window_log_max(ZSTD_WINDOW_LOG)];
                Box::pin(ZstdDecoder::with_params(coded, &bound))
            }
        };
    }
    reader
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn codings_are_a_list_and_an_unknown_one_stays() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_ENCODING, HeaderValue::from_static(value));
            }
            super::of(&headers)
        };
        assert_eq!(of(&[]), Some(vec![]));
        assert_eq!(of(&["identity"]), Some(vec![]));
        assert_eq!(of(&["GZIP"]), Some(vec![Coding::Gzip]));
        let two = Some(vec![Coding::Zstd, Coding::Brotli]);
        assert_eq!(of(&["zstd, br"]), two);
        assert_eq!(of(&["zstd", "br"]), two);
        assert_eq!(of(&["gzip, gzip, gzip"]), None);
        assert_eq!(of(&["compress"]), None);
    }
}
