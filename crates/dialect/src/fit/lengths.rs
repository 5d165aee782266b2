//! Values that are longer or smaller than a maker takes, where nobody reads them as they are: ids of
//! calls and of the end user, and the least output limit.

use std::borrow::Cow;

use super::aim::{Aim, Fitted};
use super::names::shortened;
use crate::exchange::{ChatRequest, Content};

/// The most characters of the end user's id at OpenAI and Azure.
const LONGEST_USER: usize = 64;

pub(super) fn fit(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    let (place, most) = aim.ways.call_ids;
    if aim.is(place) {
        call_ids(request, most);
    }
    if !aim.profile.is_openai() {
        return;
    }
    if let Some(user) = &mut request.user
        && user.chars().count() > LONGEST_USER
    {
        *user = Cow::Owned(shortened(user, LONGEST_USER));
    }
    let least = aim.ways.least_limit;
    if let Some(asked) = &mut request.sampling.max_tokens
        && *asked < least
    {
        *asked = least;
        let why = "it is below the least output limit that OpenAI takes, which was sent instead";
        fitted.lose("max_tokens", why);
    }
}

/// A call and its results keep one id: it depends on the longer one alone.
fn call_ids(request: &mut ChatRequest<'_>, most: usize) {
    for part in request.parts_mut() {
        let id = match &mut part.content {
            Content::ToolCall(call) => &mut call.id,
            Content::ToolResult(result) => &mut result.call_id,
            _ => continue,
        };
        if id.chars().count() > most {
            *id = Cow::Owned(shortened(id, most));
        }
    }
}
