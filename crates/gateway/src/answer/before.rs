//! What is done with a body before it is decided about: brought into the format's own form, and the
//! files that it refers to found.

use bytes::Bytes;
use http::request;

use crate::decide::LARGE;
use crate::enter::form::{BETA, Composed, Form};
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::memory::{booked, read_json};
use crate::platform::Platform;
use crate::through::objects;

/// The request in the format's own form, for whoever may come in. What it says in headers already
/// stays: vendors' clients say it twice.
pub(super) async fn compose<P: Platform>(
    gateway: &Gateway<P>,
    form: &Form,
    head: &mut request::Parts,
    body: Bytes,
) -> Result<Bytes, GatewayError> {
    if form.is_own() {
        return Ok(body);
    }
    let platform = gateway.platform();
    let identity = gateway.keys().identify_head(head, platform.wall())?;
    let (large, form) = (body.len() >= LARGE, form.clone());
    let original = body.clone();
    let work = async move { form.compose(body) };
    let Composed {
        body,
        headers: composed,
    } = if large {
        platform.aside(&identity.key.tenant, work).await
    } else {
        work.await
    };
    for (name, value) in &composed {
        let said = head.headers.get_all(name).iter().any(|said| said == value);
        if !said && (name == BETA || !head.headers.contains_key(name)) {
            head.headers.append(name, value.clone());
        }
    }
    booked(&**platform, &original, body)
}

/// The request with the files that it refers to as their upstream knows them, and that upstream.
pub(crate) async fn refer<P: Platform>(
    gateway: &Gateway<P>,
    head: &request::Parts,
    body: Bytes,
) -> Result<(Bytes, Option<String>), GatewayError> {
    if !objects::references(&body) {
        return Ok((body, None));
    }
    let platform = gateway.platform();
    let identity = gateway.keys().identify_head(head, platform.wall())?;
    let (tenant, open) = (identity.key.tenant.clone(), gateway.is_open());
    let read = move |body: Bytes| {
        let (body, only) = objects::resolve(&body, &identity.secret, open)?;
        Ok((body.into_owned(), only))
    };
    let (referred, only) = read_json(platform, &tenant, &body, read).await?;
    Ok((booked(&**platform, &body, referred)?, only))
}
