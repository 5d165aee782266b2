//! The file of a batch: each of its lines is a request, is judged like one, and goes on with the
//! model's name as its upstream knows it.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use forebay_dialect::{BodyChange, Request, Wire, kept};

use crate::config::RequestBounds;
use crate::decide::places::{Places, outline};
use crate::enter::identity::Identity;
use crate::error::{ErrorKind, GatewayError};
use crate::policy::{Action, Caller, Place, PlaceKind, PolicySession, Reason};
use crate::receive::guard::policy_failed;

/// The most lines: as many as OpenAI takes.
const MAX_LINES: usize = 50_000;

/// The endpoints that a line may name. Each is its route, too.
const URLS: &[(&str, Wire)] = &[
    ("/v1/chat/completions", Wire::Chat),
    ("/v1/completions", Wire::Completions),
    ("/v1/embeddings", Wire::Embeddings),
    ("/v1/responses", Wire::Responses),
];

/// The requests of a batch.
pub(crate) struct Lines {
    file: Bytes,
    requests: Vec<Asked>,
}

struct Asked {
    line: usize,
    id: String,
    route: &'static str,
    /// Where the request stands in the file.
    place: Range<usize>,
    request: Request,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'l> {
    custom_id: String,
    method: String,
    url: String,
    #[serde(borrow)]
    body: &'l serde_json::value::RawValue,
}

impl Lines {
    /// Reads the lines, each a request that this key may send.
    pub(super) fn read(
        file: &Bytes,
        identity: &Identity,
        bounds: &RequestBounds,
    ) -> Result<Self, GatewayError> {
        let mut requests = Vec::new();
        for (number, line) in (1..).zip(file.split(|byte| *byte == b'\n')) {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            if requests.len() >= MAX_LINES {
                let why = format!("it has more than {MAX_LINES} lines");
                return Err(invalid(number, &why));
            }
            let asked = request(number, line, file, identity)?;
            if let Some((what, has, limit, setting)) = bounds.exceeded(asked.request.extent()) {
                let why = format!("it has {has} {what}, over the limit of {limit} ({setting})");
                return Err(invalid(number, &why));
            }
            requests.push(asked);
        }
        Ok(Self {
            file: file.clone(),
            requests,
        })
    }

    /// Bytes of memory that they take beside the file: each has a copy of its own body.
    pub(super) fn bytes(&self) -> usize {
        let requests = self.requests.iter().map(|asked| &asked.request);
        let beside = requests.map(|request| request.body.len() + request.bytes_beside_body());
        beside.sum::<usize>() + size_of_val(&*self.requests)
    }

    /// An estimate of the tokens of all its prompts.
    pub(super) fn tokens(&self) -> u64 {
        let tokens = self.requests.iter();
        tokens
            .map(|asked| asked.request.estimated_input_tokens())
            .sum()
    }

    /// The models that it asks for, each once.
    pub(super) fn models(&self) -> Vec<String> {
        let requests = self.requests.iter();
        let mut models: Vec<String> = requests
            .map(|asked| asked.request.prompt.model.clone())
            .collect();
        models.sort_unstable();
        models.dedup();
        models
    }

    /// The file with each model under another name. None where no name is another.
    pub(in crate::through) fn named(&self, names: &[(String, String)]) -> Option<Vec<u8>> {
        if names.iter().all(|(asked, name)| asked == name) {
            return None;
        }
        // A batch may ask for as many models as it has lines.
        let names: HashMap<&str, &str> = names
            .iter()
            .map(|(asked, name)| (asked.as_str(), name.as_str()))
            .collect();
        let mut out = Vec::with_capacity(self.file.len() + 1024);
        let mut at = 0;
        for Asked { place, request, .. } in &self.requests {
            let change = BodyChange {
                model: names.get(request.prompt.model.as_str()).copied(),
                ..BodyChange::default()
            };
            out.extend_from_slice(self.file.get(at..place.start).unwrap_or_default());
            out.extend_from_slice(&request.upstream_body(&change));
            at = place.end;
        }
        out.extend_from_slice(self.file.get(at..).unwrap_or_default());
        Some(out)
    }

    /// Why a rule refuses it, if one does. A mask's value could not be put back: the answers come
    /// hours later.
    pub(super) async fn judge<S: PolicySession>(
        &self,
        session: &mut S,
        caller: &Caller,
    ) -> Result<Option<Reason>, GatewayError> {
        for Asked {
            line,
            id,
            route,
            request,
            ..
        } in &self.requests
        {
            let mut places = Places::of(&request.prompt).list;
            places.push(Place {
                kind: PlaceKind::Vocabulary,
                role: "",
                path: "custom_id".to_owned(),
                text: id.into(),
                joins_next: false,
            });
            // Rules for uploads apply, and those for the endpoint that will answer the line.
            let asked = Caller {
                route,
                ..caller.clone()
            };
            for caller in [caller, &asked] {
                let verdict = session
                    .check_prompt(caller, &outline(&request.prompt), &places, &[])
                    .await
                    .map_err(|error| policy_failed(&error))?;
                if let Some(reason) = refusal(verdict.action) {
                    return Ok(Some(Reason {
                        code: reason.code,
                        detail: format!("line {line}: {}", reason.detail),
                    }));
                }
            }
        }
        Ok(None)
    }
}

/// Why a verdict refuses a line, if it does.
fn refusal(action: Action) -> Option<Reason> {
    match action {
        Action::Allow => None,
        Action::Edit(edits) if edits.is_empty() => None,
        Action::Deny(reason) => Some(reason),
        Action::Ask(question) => Some(crate::decide::no_opinion(&question)),
        Action::Edit(_) => Some(Reason {
            code: "unmaskable".to_owned(),
            detail:
                "a rule masks a value in it, and masked values can't be restored in the answers of a batch"
                    .to_owned(),
        }),
    }
}

fn request(
    number: usize,
    line: &[u8],
    file: &Bytes,
    identity: &Identity,
) -> Result<Asked, GatewayError> {
    let read: Line<'_> = serde_json::from_slice(line)
        .map_err(|error| invalid(number, &format!("it is not a batch request ({error})")))?;
    let wire = URLS.iter().find(|(url, _)| *url == read.url);
    let Some((route, wire)) = wire.filter(|_| read.method == "POST" && !read.custom_id.is_empty())
    else {
        let urls: Vec<&str> = URLS.iter().map(|(url, _)| *url).collect();
        let why = format!(
            "a line has a custom_id, the method POST and one of the URLs {}",
            urls.join(", ")
        );
        return Err(invalid(number, &why));
    };
    let raw = read.body.get().as_bytes();
    let start = raw.as_ptr().addr().saturating_sub(file.as_ptr().addr());
    let place = start..start + raw.len();
    let body = file.slice_ref(raw);
    let refers = super::resolve(&body, &identity.secret, false);
    if refers.is_err() || refers.is_ok_and(|(_, at)| at.is_some()) {
        return Err(invalid(
            number,
            "the requests of a batch can't refer to files",
        ));
    }
    if *wire == Wire::Responses && refers_back(number, &body)? {
        return Err(invalid(
            number,
            "the requests of a batch can't refer to responses, items or conversations",
        ));
    }
    let request =
        Request::parse(*wire, body).map_err(|error| invalid(number, &error.to_string()))?;
    if !identity.may_use(&request.prompt.model) {
        return Err(GatewayError::new(
            ErrorKind::ModelNotAllowed,
            format!("line {number}: this API key may not use the model it asked for"),
        )
        .with_param(Some("file")));
    }
    Ok(Asked {
        line: number,
        id: read.custom_id,
        route,
        place,
        request,
    })
}

/// Whether a request goes on from what its upstream has kept: no tenant's own, since all share its account.
fn refers_back(number: usize, body: &Bytes) -> Result<bool, GatewayError> {
    let asked = kept::read(body).map_err(|error| invalid(number, &error.to_string()))?;
    Ok(asked.is_some_and(|asked| {
        asked.previous.is_some() || asked.conversation.is_some() || !asked.references.is_empty()
    }))
}

fn invalid(number: usize, why: &str) -> GatewayError {
    GatewayError::new(ErrorKind::InvalidRequest, format!("line {number}: {why}"))
        .with_param(Some("file"))
        .with_code("invalid_batch")
}
