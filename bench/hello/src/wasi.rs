//! For hosts of WASI 0.3. The environment names the upstream.

use bytes::Bytes;
use http_body_util::Full;
use wasip3::http::types::{ErrorCode, Request, Response};
use wasip3::http_compat::{
    http_from_wasi_request, http_from_wasi_response, http_into_wasi_request,
    http_into_wasi_response,
};

/// The environment variable that names where requests are passed on to; without it the answer is `hello`.
const UPSTREAM: &str = "UPSTREAM";

struct Hello;
wasip3::http::service::export!(Hello);

impl wasip3::exports::http::handler::Guest for Hello {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let mut request = http_from_wasi_request(request)?;
        let Ok(upstream) = std::env::var(UPSTREAM) else {
            return http_into_wasi_response(http::Response::new(Full::new(Bytes::from_static(
                b"hello",
            ))));
        };
        let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
        *request.uri_mut() = format!("{upstream}{path}")
            .parse()
            .map_err(|_| ErrorCode::HttpRequestUriInvalid)?;
        request.headers_mut().remove(http::header::HOST);
        let response = wasip3::http::client::send(http_into_wasi_request(request)?).await?;
        let mut response = http_from_wasi_response(response)?;
        // What belongs to the connection with the upstream does not belong to this one.
        for name in ["connection", "keep-alive", "transfer-encoding"] {
            response.headers_mut().remove(name);
        }
        http_into_wasi_response(response)
    }
}
