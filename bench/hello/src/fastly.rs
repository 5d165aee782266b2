//! The same in Fastly's host calls. The config store `forebay` names the upstream.

use generated::exports::fastly::compute::http_incoming::Guest;
use generated::fastly::compute::async_io::Pollable;
use generated::fastly::compute::backend::{DynamicBackendOptions, register_dynamic_backend};
use generated::fastly::compute::http_req::{Request, send_uncached};
use generated::fastly::compute::http_resp::{Response, send_downstream};
use generated::fastly::compute::types::Error;
use generated::fastly::compute::{config_store, http_body};

#[allow(missing_docs, unreachable_pub, unsafe_code, dead_code, clippy::all)]
mod generated {
    wit_bindgen::generate!({
        path: "../../components/edge/wit/fastly",
        world: "fastly-platform",
        generate_all,
    });

    export!(Hello);
    use super::Hello;
}

/// The longest address, in bytes.
const LONGEST: u64 = 4096;

struct Hello;

impl Guest for Hello {
    fn handle(request: Request, body: Pollable) -> Result<(), ()> {
        answer(request, body).map_err(drop)
    }
}

fn answer(request: Request, body: Pollable) -> Result<(), Error> {
    let upstream = config_store::Store::open("forebay")
        .ok()
        .and_then(|store| store.get("upstream", LONGEST).ok().flatten());
    let Some(upstream) = upstream else {
        let response = Response::new()?;
        response.set_status(200)?;
        let hello = http_body::new()?;
        http_body::write(&hello, b"hello")?;
        return send_downstream(response, hello);
    };
    let uri = request.get_uri(LONGEST)?;
    let path = uri.splitn(4, '/').nth(3).unwrap_or_default();
    request.set_uri(&format!("{upstream}/{path}"))?;
    let authority = upstream.trim_start_matches("http://");
    let options = DynamicBackendOptions::new();
    options.override_host(authority);
    let backend = register_dynamic_backend("upstream", authority, options)?;
    let (response, body) = send_uncached(request, body, &backend).map_err(|failed| failed.error)?;
    send_downstream(response, body)
}
