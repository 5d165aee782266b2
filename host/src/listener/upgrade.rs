//! A client's WebSocket (RFC 6455, section 4.2): its handshake is checked, its upstream has opened its
//! side, then it gets the 101 and the connection is handed over.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_gateway::error::{ErrorKind, GatewayError};
use forebay_gateway::{Gateway, Permit, ReplyBody, realtime};
use http::header::{
    CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, Version};

use super::client_io::{Phase, Takeover};
use super::peers::Holding;
use crate::operate::{Front, Lifecycle};
use crate::platform::{Native, NativePolicies, socket};

/// The subprotocol that clients in browsers name, beside the one that is their key.
const PROTOCOL: &str = "realtime";

/// Whether a request wants its connection to become a WebSocket.
pub(super) fn asks(head: &Parts) -> bool {
    names(&head.headers, &UPGRADE, "websocket")
}

/// Opens a WebSocket. `holding` is the client's place among the requests of its address.
pub(super) async fn open<P: NativePolicies>(
    front: &Arc<Front<P>>,
    phase: &Arc<Phase>,
    permit: Permit<Native<P>>,
    head: Parts,
    holding: Holding,
) -> Response<ReplyBody<Native<P>>> {
    let accept = match handshake(&head) {
        Ok(key) => socket::accept(key),
        Err(error) => {
            let mut response = Gateway::refuse(permit, &head, error);
            // For whoever asks in another version (RFC 6455, section 4.4).
            let version = HeaderValue::from_static("13");
            response
                .headers_mut()
                .insert(SEC_WEBSOCKET_VERSION, version);
            return response;
        }
    };
    let protocol = names(&head.headers, &SEC_WEBSOCKET_PROTOCOL, PROTOCOL);
    let keys = Arc::new(head.clone());
    let opened = match realtime::open(permit, head).await {
        Ok(opened) => opened,
        Err(response) => return response,
    };
    let mut response = opened.response;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    if protocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    }
    let front = front.clone();
    let (session, max_message) = (opened.session, opened.max_message);
    phase.hand_over(Takeover(Box::new(move |io| {
        Box::pin(async move {
            let _holding = holding;
            let client = socket::serve(io, max_message, front.held().clone()).await;
            let current = || {
                let (front, keys) = (front.clone(), keys.clone());
                Box::pin(async move { current(&front, &keys).await }) as _
            };
            session.run(client, current).await;
        })
    })));
    response
}

/// The gateway that new requests come to, ready to judge this one's key; none while the process is
/// shutting down.
async fn current<P: NativePolicies>(
    front: &Front<P>,
    head: &Parts,
) -> Option<Arc<Gateway<Native<P>>>> {
    if front.lifecycle() == Lifecycle::Draining {
        return None;
    }
    let generation = front.current();
    if let Some(oidc) = &generation.oidc {
        oidc.prepare(head).await;
    }
    Some(generation.gateway.clone())
}

/// The key of a handshake that is one.
fn handshake(head: &Parts) -> Result<&[u8], GatewayError> {
    let wrong = |why: &str| {
        let message = format!("the WebSocket handshake is not valid: {why}");
        GatewayError::new(ErrorKind::InvalidRequest, message)
    };
    if head.version != Version::HTTP_11 {
        return Err(wrong("it needs HTTP/1.1").with_status(426));
    }
    if !names(&head.headers, &CONNECTION, "upgrade") {
        return Err(wrong("the Connection header does not name `upgrade`"));
    }
    let version = only(&head.headers, &SEC_WEBSOCKET_VERSION);
    if version != Some(b"13") {
        return Err(wrong("sec-websocket-version has to be 13").with_status(426));
    }
    if head.headers.contains_key(http::header::TRANSFER_ENCODING)
        || only(&head.headers, &http::header::CONTENT_LENGTH).is_some_and(|length| length != b"0")
    {
        return Err(wrong("it has a body"));
    }
    let key = only(&head.headers, &SEC_WEBSOCKET_KEY);
    key.filter(|key| STANDARD.decode(key).is_ok_and(|key| key.len() == 16))
        .ok_or_else(|| wrong("sec-websocket-key has to be 16 bytes in Base64"))
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first.as_bytes())
}

/// Whether a header that is a list has this word.
fn names(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|named| named.trim().eq_ignore_ascii_case(word))
}
