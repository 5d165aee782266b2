//! Requests that a component sends: only to allowed hosts, over shared connections, each step with its limit.

mod allowed;
mod body;
mod client;
mod errors;

use std::future::Future;
use std::sync::Arc;

pub(crate) use self::allowed::AllowedHosts;
use self::allowed::Destination;
pub(crate) use self::client::Clients;
use crate::headers;
use crate::instance::Life;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// The way out of one instance.
pub(crate) struct Outbound {
    pub(crate) component: Arc<str>,
    pub(crate) allowed: AllowedHosts,
    pub(crate) clients: Clients,
    pub(crate) life: Arc<Life>,
}

/// What becomes of a request: the response, and what drives its connection, which the client does here.
type Sent = Result<(http::Response<WasiBody>, Driver), Error>;
type Driver = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl Outbound {
    fn may_go(&self, request: &http::Request<WasiBody>) -> Result<Destination, Error> {
        let Some(to) = Destination::of(request.uri()) else {
            tracing::warn!(
                component = &*self.component,
                "a request without an absolute http or https URL is denied; requests to the app itself are not supported"
            );
            return Err(Error::HttpRequestDenied);
        };
        if self.allowed.allows(&to) {
            return Ok(to);
        }
        let host = to.to_allow();
        tracing::warn!(
            component = &*self.component,
            host,
            "a request is denied; to allow it add {host:?} to the component's allowed_outbound_hosts"
        );
        Err(Error::HttpRequestDenied)
    }
}

impl WasiHttpHooks for Outbound {
    /// The client adds it where the protocol has it.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        mut request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _outcome: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let to = match self.may_go(&request) {
            Ok(to) => to,
            Err(error) => return Box::new(async move { Err(error) }),
        };
        headers::strip_hop_by_hop(request.headers_mut());
        let (clients, component) = (self.clients.clone(), self.component.clone());
        let abandoned = self.life.exchanges();
        Box::new(async move {
            let sending = clients.send(&component, &to, request, options, abandoned.clone());
            let mut response = tokio::select! {
                biased;
                sent = sending => sent?,
                () = abandoned.cancelled() => return Err(Error::ConnectionTerminated),
            };
            headers::strip_hop_by_hop(response.headers_mut());
            Ok((response, Box::new(std::future::ready(Ok(()))) as Driver))
        })
    }
}
