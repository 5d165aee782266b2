//! An upstream's body as the pipeline reads it. Dropping it ends the exchange.
//!
//! Upstreams are asked for bodies without a coding, so that events come as they are made. One
//! that sends gzip, deflate, br or zstd all the same is understood: piece by piece, in bounded
//! memory, whatever the size of what comes out. The bounds of the pipeline hold for that.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use forebay_gateway::platform::{TransportError, TransportFailure, UpstreamBody};
use futures_util::{Stream, StreamExt as _};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio_util::io::{ReaderStream, StreamReader};

use super::failure;
use super::line::Place;
use crate::coding::{self, Coding, PIECE};

/// The response with a body in which no coding that is known is left. One that is not known stays,
/// and its header says so. The place is the body's.
pub(super) fn upstream_response(
    response: http::Response<Incoming>,
    place: Option<Place>,
) -> http::Response<UpstreamBody> {
    let (mut head, body) = response.into_parts();
    let pieces = Pieces {
        body,
        _place: place,
    };
    let codings = coding::of(&head.headers).filter(|codings| !codings.is_empty());
    let body = match codings {
        None => UpstreamBody::new(Box::pin(pieces)),
        Some(codings) => {
            head.headers.remove(CONTENT_ENCODING);
            // It tells the size of what was sent.
            head.headers.remove(CONTENT_LENGTH);
            UpstreamBody::new(decoded(pieces, &codings))
        }
    };
    http::Response::from_parts(head, body)
}

/// What is in a coded body. A body that breaks, or is not of its coding, ends with an error.
fn decoded(
    pieces: impl Stream<Item = Result<Bytes, TransportError>> + Send + 'static,
    codings: &[Coding],
) -> Pin<Box<dyn Stream<Item = Result<Bytes, TransportError>> + Send>> {
    let pieces = pieces.map(|piece| piece.map_err(io::Error::other));
    let reader = coding::reader(Box::pin(StreamReader::new(pieces)), codings);
    let out = ReaderStream::with_capacity(reader, PIECE);
    Box::pin(out.map(|piece| piece.map_err(broken)))
}

/// The error of the transport itself, or of the coding.
fn broken(error: io::Error) -> TransportError {
    error
        .downcast::<TransportError>()
        .unwrap_or_else(|error| TransportError {
            failure: TransportFailure::Body,
            detail: format!("its body could not be decoded (content-encoding): {error}"),
        })
}

/// The data of a body; trailers are dropped, since no dialect of ours has any.
struct Pieces {
    body: Incoming,
    _place: Option<Place>,
}

impl Stream for Pieces {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(failure::of_body(&error)))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
    use futures_util::stream;
    use tokio::io::{AsyncWrite, AsyncWriteExt as _};

    use super::*;

    const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

    /// What a server sends: one piece for each text, flushed, and the end.
    async fn sent(coding: Coding, texts: &[&[u8]]) -> Vec<Bytes> {
        async fn through(
            mut encoder: impl AsyncWrite + Unpin + AsRef<Vec<u8>>,
            texts: &[&[u8]],
        ) -> Vec<Bytes> {
            let mut pieces = Vec::new();
            let mut at = 0;
            for text in texts {
                encoder.write_all(text).await.unwrap();
                encoder.flush().await.unwrap();
                let all = encoder.as_ref();
                pieces.push(Bytes::copy_from_slice(&all[at..]));
                at = all.len();
            }
            encoder.shutdown().await.unwrap();
            pieces.push(Bytes::copy_from_slice(&encoder.as_ref()[at..]));
            pieces
        }
        struct Inner<E>(E, fn(&E) -> &Vec<u8>);
        impl<E> AsRef<Vec<u8>> for Inner<E> {
            fn as_ref(&self) -> &Vec<u8> {
                self.1(&self.0)
            }
        }
        impl<E: AsyncWrite + Unpin> AsyncWrite for Inner<E> {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.0).poll_write(cx, buf)
            }
            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.0).poll_flush(cx)
            }
            fn poll_shutdown(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                Pin::new(&mut self.0).poll_shutdown(cx)
            }
        }
        let out = Vec::new();
        match coding {
            Coding::Gzip => {
                through(Inner(GzipEncoder::new(out), GzipEncoder::get_ref), texts).await
            }
            Coding::Deflate => {
                through(Inner(ZlibEncoder::new(out), ZlibEncoder::get_ref), texts).await
            }
            Coding::Brotli => {
                through(
                    Inner(BrotliEncoder::new(out), BrotliEncoder::get_ref),
                    texts,
                )
                .await
            }
            Coding::Zstd => {
                through(Inner(ZstdEncoder::new(out), ZstdEncoder::get_ref), texts).await
            }
        }
    }

    fn whole(pieces: Vec<Bytes>) -> impl Stream<Item = Result<Bytes, TransportError>> + Send {
        stream::iter(pieces.into_iter().map(Ok))
    }

    #[tokio::test]
    async fn a_body_is_read_in_every_coding() {
        for coding in ALL {
            let pieces = sent(coding, &[b"{\"a\":", b"1}"]).await;
            let read: Vec<_> = decoded(whole(pieces), &[coding]).collect().await;
            let read: Vec<u8> = read.into_iter().flat_map(Result::unwrap).collect();
            assert_eq!(read, b"{\"a\":1}", "{coding:?}");
        }
    }

    #[tokio::test]
    async fn an_event_comes_when_it_is_flushed_not_at_the_end() {
        for coding in ALL {
            let mut pieces = sent(coding, &[b"data: one\n\n", b"data: two\n\n"]).await;
            pieces.truncate(1);
            // The next piece never comes.
            let body = whole(pieces).chain(stream::pending());
            let first = decoded(body, &[coding]).next().await;
            assert_eq!(first.unwrap().unwrap(), "data: one\n\n", "{coding:?}");
        }
    }

    #[tokio::test]
    async fn what_is_cut_short_or_of_no_coding_is_an_error() {
        for coding in ALL {
            let mut pieces = sent(coding, &[&[b'x'; 4096]]).await;
            pieces.truncate(1);
            let cut = pieces[0].slice(..pieces[0].len() / 2);
            for body in [cut, Bytes::from_static(b"{\"plain\":true}")] {
                let read: Vec<_> = decoded(whole(vec![body]), &[coding]).collect().await;
                assert!(read.last().unwrap().is_err(), "{coding:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_bomb_comes_out_in_pieces_that_a_reader_may_stop() {
        const MEBIBYTE: usize = 1 << 20;
        let zeros = vec![0_u8; 16 * MEBIBYTE];
        for coding in ALL {
            let pieces = sent(coding, &[&zeros]).await;
            let bytes: usize = pieces.iter().map(Bytes::len).sum();
            assert!(bytes < MEBIBYTE, "{coding:?}: {bytes}");
            let mut body = decoded(whole(pieces), &[coding]);
            let mut read = 0;
            while read < MEBIBYTE {
                let piece = body.next().await.unwrap().unwrap();
                assert!(piece.len() <= PIECE, "{coding:?}: {}", piece.len());
                read += piece.len();
            }
        }
    }
}
