//! What a field of the typed form is called by the client who sent it: errors and losses name
//! the client's own fields.

use crate::contract::place::Place;
use crate::contract::ways::Ways;
use crate::exchange::ChatRequest;

/// What the client calls `param`.
pub(crate) fn client_name(ways: &Ways, request: &ChatRequest<'_>, param: &str) -> String {
    let client = match (Place::of(param), ways.locate) {
        (Some(place), Some(locate)) => locate(request, &place),
        (Some(_), None) => None,
        (None, _) => {
            let mut names = ways.names.iter();
            let known = names.find(|(typed, _)| *typed == param);
            known.map(|(_, client)| (*client).to_owned())
        }
    };
    client.unwrap_or_else(|| param.to_owned())
}
