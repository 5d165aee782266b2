//! Connecting to an upstream within a limit that covers name, TCP and TLS together. The name is resolved
//! for each connection.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use tower_service::Service;

use super::line::{Line, Wire};

/// No connection was established in time.
#[derive(Debug, thiserror::Error)]
#[error("connecting took longer than {0:?} (timeouts.connect)")]
pub(super) struct ConnectTimeout(Duration);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A connector with a limit.
#[derive(Clone)]
pub(super) struct Within<C> {
    pub(super) connector: C,
    pub(super) limit: Duration,
    /// How long a connection is used.
    pub(super) age: Duration,
}

impl<C> Service<Uri> for Within<C>
where
    C: Service<Uri>,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
{
    type Response = Wire<C::Response>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, limit, age) = (self.connector.call(uri), self.limit, self.age);
        Box::pin(async move {
            match tokio::time::timeout(limit, connecting).await {
                Ok(connected) => Ok(Wire::new(connected.map_err(Into::into)?, Line::new(age))),
                Err(_) => Err(ConnectTimeout(limit).into()),
            }
        })
    }
}
