//! Gathers a request's body up to its limit.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use forebay_gateway::error::{ErrorKind, GatewayError};
use futures_core::Stream;
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};

/// What a request's body may be, and how its time is told.
pub struct Reader<S> {
    /// The most bytes.
    pub limit: u64,
    /// How long all of it may take.
    pub time: Duration,
    /// Resolves after a duration.
    pub sleep: S,
}

impl<S, F> Reader<S>
where
    S: Fn(Duration) -> F,
    F: Future<Output = ()>,
{
    /// Reads a body. `announced` is its `content-length`, where one came.
    ///
    /// # Errors
    ///
    /// 413 over the limit, 408 when it takes too long, 400 when it breaks off.
    pub async fn read<B>(&self, body: B, announced: Option<u64>) -> Result<Bytes, GatewayError>
    where
        B: Stream<Item = Result<Bytes, String>> + Unpin,
    {
        let reading = pin!(self.gather(body, announced));
        match select(reading, pin!((self.sleep)(self.time))).await {
            Either::Left((body, _)) => body,
            Either::Right(_) => Err(GatewayError::new(
                ErrorKind::RequestTimeout,
                "the request body did not arrive in time (timeouts.request)",
            )),
        }
    }

    async fn gather<B>(&self, mut body: B, announced: Option<u64>) -> Result<Bytes, GatewayError>
    where
        B: Stream<Item = Result<Bytes, String>> + Unpin,
    {
        let mut gathered = match Gathered::new(self.limit, announced) {
            Ok(gathered) => gathered,
            Err(error) => return Err(self.discard(body, error).await),
        };
        // Once all that was announced has come, neither the end nor trailers are waited for.
        while announced.is_none_or(|size| gathered.len() < size) {
            let Some(piece) = body.next().await else {
                break;
            };
            let piece = piece.map_err(|error| {
                GatewayError::new(
                    ErrorKind::InvalidRequest,
                    format!("the request body ended early: {error}"),
                )
            })?;
            if let Err(error) = gathered.push(&piece) {
                return Err(self.discard(body, error).await);
            }
        }
        Ok(gathered.finish())
    }

    /// Reads on what nobody wants, within bounds: a host that answers over unread bytes closes the
    /// connection, and the client would not read why.
    async fn discard<B>(&self, mut body: B, error: GatewayError) -> GatewayError
    where
        B: Stream<Item = Result<Bytes, String>> + Unpin,
    {
        // Four times the limit and two seconds: a client that still sends then does not listen.
        let mut left = self.limit.saturating_mul(4);
        let reading = pin!(async {
            while let Some(Ok(piece)) = body.next().await {
                left = left.saturating_sub(piece.len() as u64);
                if left == 0 {
                    break;
                }
            }
        });
        select(reading, pin!((self.sleep)(Duration::from_secs(2)))).await;
        error
    }
}

/// Pieces of a body as they come, bounded.
#[derive(Debug)]
pub(crate) struct Gathered {
    bytes: BytesMut,
    limit: u64,
}

impl Gathered {
    /// Nothing yet, of at most `limit` bytes. `announced` is the `content-length`, where one came.
    ///
    /// # Errors
    ///
    /// 413 when more is announced than may come.
    fn new(limit: u64, announced: Option<u64>) -> Result<Self, GatewayError> {
        let gathered = Self {
            bytes: BytesMut::new(),
            limit,
        };
        match announced {
            Some(size) if size > limit => Err(gathered.too_large()),
            _ => Ok(gathered),
        }
    }

    /// Takes a piece.
    ///
    /// # Errors
    ///
    /// 413 when it is one too many.
    fn push(&mut self, piece: &[u8]) -> Result<(), GatewayError> {
        if (self.bytes.len() + piece.len()) as u64 > self.limit {
            return Err(self.too_large());
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// Bytes so far.
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The whole.
    fn finish(self) -> Bytes {
        self.bytes.freeze()
    }

    fn too_large(&self) -> GatewayError {
        GatewayError::new(
            ErrorKind::BodyTooLarge,
            format!(
                "request body is over the limit of {} bytes (limits.body)",
                self.limit
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_whole_or_refused() {
        let mut body = Gathered::new(4, Some(4)).unwrap();
        body.push(b"ab").unwrap();
        body.push(b"cd").unwrap();
        assert_eq!(body.push(b"e").unwrap_err().kind, ErrorKind::BodyTooLarge);
        assert_eq!(body.finish(), "abcd");
        assert_eq!(
            Gathered::new(4, Some(5)).unwrap_err().kind,
            ErrorKind::BodyTooLarge
        );
    }
}
