//! Why an upstream can't be asked a request: it takes no such form, or would have to be told too little.

use forebay_dialect::exchange::Lost;
use forebay_dialect::{Request, TranslateError, Wire, kept};

use super::Upstream;
use crate::answer::kept::unknown_conversation;
use crate::error::{ErrorKind, GatewayError};

/// It speaks nothing that the request could be sent in.
pub(super) fn cannot_take(upstream: &Upstream, wire: Wire) -> GatewayError {
    GatewayError::new(
        ErrorKind::NotExpressible,
        format!(
            "upstream \"{}\" takes no requests of the form \"{}\" (upstreams.provider)",
            upstream.name,
            wire.as_str()
        ),
    )
}

/// An upstream that keeps no state has no conversation of that id.
pub(super) fn unknown(
    request: &Request,
    upstream: &Upstream,
    error: &TranslateError,
) -> GatewayError {
    let named = match error {
        TranslateError::Inexpressible(error) if error.param == "conversation" => {
            kept::read(&request.body).ok().flatten()
        }
        _ => None,
    };
    match named.and_then(|asked| asked.conversation) {
        Some(id) => unknown_conversation(&id),
        None => not_translated(upstream, error),
    }
}

/// The request has something that its format can't say.
pub(super) fn not_translated(upstream: &Upstream, error: &TranslateError) -> GatewayError {
    match error {
        TranslateError::Request(error) => crate::decide::invalid_request(error),
        TranslateError::Inexpressible(error) => GatewayError::new(
            ErrorKind::NotExpressible,
            format!("upstream \"{}\": {error}", upstream.name),
        )
        .with_param(Some(&error.param)),
    }
}

/// Whether the upstream may be asked without what it can't be told.
pub(super) fn losing(upstream: &Upstream, lost: &[Lost]) -> Result<(), GatewayError> {
    let refuses = |lost: &&Lost| upstream.config.losses_of(&lost.param).refuses(lost.grade);
    let Some(first) = lost.iter().find(refuses) else {
        return Ok(());
    };
    let names = lost.iter().filter(refuses).map(|lost| &*lost.param);
    Err(lossy(upstream, names, first))
}

/// Names every field that would be lost, and why the first would.
fn lossy<'l>(
    upstream: &Upstream,
    names: impl Iterator<Item = &'l str>,
    first: &Lost,
) -> GatewayError {
    // 8: enough to see what kind of request it is.
    let names: Vec<&str> = names.take(8).collect();
    GatewayError::new(
        ErrorKind::NotExpressible,
        format!(
            "upstream \"{}\" can't take {}: {} (upstreams.losses = \"drop\" leaves such fields out)",
            upstream.name,
            names.join(", "),
            first.why
        ),
    )
    .with_param(Some(&first.param))
}
