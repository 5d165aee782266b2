//! What the guardrails say about a request that passes through, and about its answer's text.

use forebay_dialect::canonical::{Channel, Message, Operation, Part, Prompt, Sampling};
use forebay_dialect::passing::{Member, Passing, Said};

use super::Sent;
use super::table::Answer;
use crate::decide::masks::{MaskError, MaskTable};
use crate::decide::places::Places;
use crate::error::{ErrorKind, GatewayError};
use crate::policy::{
    Action, Caller, Delta, Hit, Outline, OutputGuard, PolicyError, PolicySession, Reason, Releases,
};
use crate::receive::guard::{denied, policy_failed};

/// What was decided about a request.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) masks: MaskTable,
    pub(super) hits: Vec<Hit>,
    /// Whether rules for the output apply.
    pub(super) guard_output: bool,
}

/// Judges a request, and puts masks into it.
pub(super) async fn judge<S: PolicySession>(
    session: &mut S,
    caller: &Caller,
    secret: &[u8; 32],
    sent: &mut Sent,
) -> Result<(Judged, Option<Reason>), GatewayError> {
    let failed = |error: PolicyError| policy_failed(&error);
    let places = Places::passing(sent.said());
    let bytes: u64 = sent.said().iter().map(|said| said.text.len() as u64).sum();
    let outline = Outline {
        operation: sent.passage.name,
        model: sent.model.as_deref().unwrap_or_default(),
        messages: 1,
        tools: 0,
        largest_message: bytes,
        bytes,
    };
    let verdict = session
        .check_prompt(caller, &outline, &places.list, &[])
        .await
        .map_err(failed)?;
    let mut judged = Judged {
        masks: MaskTable::default(),
        hits: verdict.hits,
        guard_output: verdict.guard_output,
    };
    let edits = match verdict.action {
        Action::Deny(reason) => return Ok((judged, Some(reason))),
        Action::Ask(question) => return Ok((judged, Some(crate::decide::no_opinion(&question)))),
        Action::Edit(edits) => match places.edits(&edits) {
            Ok(edits) => edits,
            Err(reason) => return Ok((judged, Some(reason))),
        },
        Action::Allow => Vec::new(),
    };
    if judged.guard_output && (sent.passage.answer == Answer::Media || sent.stream()) {
        return Ok((judged, Some(unreadable(sent))));
    }
    if !edits.is_empty() {
        let prompt = prompt(sent.said());
        let (masks, edits) =
            MaskTable::build(secret, &prompt, &edits).map_err(|error| match error {
                MaskError::TooMany => {
                    GatewayError::new(ErrorKind::InvalidRequest, error.to_string())
                        .with_code("too_many_masks")
                }
                MaskError::Policy(error) => failed(error),
            })?;
        let mut texts: Vec<(usize, String)> = Vec::new();
        for group in edits.chunk_by(|a, b| a.part == b.part) {
            let Some(first) = group.first() else { continue };
            let at = first.part as usize;
            let Some(said) = sent.said().get(at) else {
                continue;
            };
            let mut text = said.text.clone();
            for edit in group.iter().rev() {
                text.replace_range(
                    edit.range.start as usize..edit.range.end as usize,
                    &edit.text,
                );
            }
            texts.push((at, text));
        }
        sent.texts = texts;
        judged.masks = masks;
    }
    Ok((judged, None))
}

/// The request's texts as the parts of one message: what masks are made for.
fn prompt(said: &[Said]) -> Prompt {
    let parts = said.iter().map(|said| Part::Text(said.text.clone()));
    Prompt {
        operation: Operation::Chat,
        model: String::new(),
        messages: vec![Message {
            role: "user".to_owned(),
            parts: parts.collect(),
            extra: Vec::new(),
        }],
        tools: Vec::new(),
        sampling: Sampling::default(),
        extra: Vec::new(),
    }
}

fn unreadable(sent: &Sent) -> Reason {
    let (name, what) = (
        sent.passage.name,
        match sent.passage.answer {
            Answer::Media => "sound or pictures",
            Answer::Text(_) => "a stream (send it without `stream`)",
        },
    );
    Reason {
        code: "unreadable".to_owned(),
        detail: format!(
            "a rule applies to what \"{name}\" answers, and it can't read {what}; whoever runs the gateway may set guard = \"off\" for this endpoint ([[through]])"
        ),
    }
}

/// The text of an answer, as it is let go: judged where rules apply, with values back in the
/// places of their masks.
pub(super) async fn release<G: OutputGuard>(
    guard: Option<G>,
    masks: &MaskTable,
    answer: &Passing,
    hits: &mut Vec<Hit>,
) -> Result<Vec<(usize, String)>, GatewayError> {
    let texts: Vec<(usize, &str)> = answer
        .said()
        .iter()
        .enumerate()
        .filter(|(_, said)| said.member == Member::Text)
        .map(|(at, said)| (at, said.text.as_str()))
        .collect();
    let mut out = match guard {
        None => texts
            .iter()
            .map(|(at, text)| (*at, (*text).to_owned()))
            .collect(),
        Some(guard) => pass(guard, &texts, hits).await?,
    };
    if !masks.is_empty() {
        for (_, text) in &mut out {
            *text = masks.restore(Channel::Content, text);
        }
    }
    Ok(out)
}

/// Each text is a choice of its own: none goes on in the next.
async fn pass<G: OutputGuard>(
    mut guard: G,
    texts: &[(usize, &str)],
    hits: &mut Vec<Hit>,
) -> Result<Vec<(usize, String)>, GatewayError> {
    let failed = |error: PolicyError| policy_failed(&error);
    let mut out: Vec<(usize, String)> = texts.iter().map(|(at, _)| (*at, String::new())).collect();
    let mut take = |releases: Releases| {
        for delta in releases.released {
            if let Some((_, text)) = out.get_mut(delta.choice as usize) {
                text.push_str(&delta.text);
            }
        }
        hits.extend(releases.hits);
        releases
            .denied
            .map_or(Ok(()), |reason| Err(denied(&reason)))
    };
    for (choice, (_, text)) in (0_u32..).zip(texts) {
        let delta = Delta {
            choice,
            channel: Channel::Content,
            text: (*text).to_owned(),
        };
        take(guard.push(vec![delta]).await.map_err(failed)?)?;
        take(guard.finish(Some(choice)).await.map_err(failed)?)?;
    }
    take(guard.finish(None).await.map_err(failed)?)?;
    Ok(out)
}
