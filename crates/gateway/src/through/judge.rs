//! What the guardrails say about a request that passes through, and about its answer's text.

use std::collections::HashMap;

use bytes::Bytes;
use forebay_dialect::canonical::{Channel, Message, Operation, Part, Prompt, Sampling};
use forebay_dialect::passing::{Member, Passing, Said};

use super::table::Answer;
use super::{Passage, Sent};
use crate::decide::masks::{Maker, MaskError, MaskTable};
use crate::decide::places::Places;
use crate::error::{ErrorKind, GatewayError};
use crate::policy::{
    Action, Caller, Delta, Hit, Outline, OutputGuard, Place, PolicyError, PolicySession, Reason,
    Releases, Verdict,
};
use crate::receive::guard::{Guarded, denied, policy_failed};
use crate::receive::labels::{Labels, Sent as Known};

/// What was decided about a request.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) masks: MaskTable,
    pub(super) hits: Vec<Hit>,
    /// Whether rules for the output apply.
    pub(super) guard_output: bool,
    /// Whether one of them can change or end an answer. Without any, what can't be read goes out unread.
    pub(super) output_enforced: bool,
}

/// Judges a request, and puts masks into it.
pub(super) async fn judge<S: PolicySession>(
    session: &mut S,
    caller: &Caller,
    maker: Maker<'_>,
    sent: &mut Sent,
) -> Result<(Judged, Option<Reason>), GatewayError> {
    let failed = |error: PolicyError| policy_failed(&error);
    let mut places = Places::passing(sent.said());
    for (path, word) in sent.words() {
        places.word(path, word);
    }
    let model = sent.model.as_deref().unwrap_or_default();
    let verdict = judge_parts(session, caller, (sent.passage, model), &places.list).await?;
    let mut judged = Judged {
        masks: MaskTable::default(),
        hits: verdict.hits,
        guard_output: verdict.guard_output,
        output_enforced: verdict.output_enforced,
    };
    let edits = match verdict.action {
        Action::Deny(reason) => return Ok((judged, Some(reason))),
        Action::Ask(question) => return Ok((judged, Some(crate::decide::no_opinion(&question)))),
        Action::Edit(edits) => match places.edits(&edits) {
            // Every place of such a request is a part.
            Ok(masking) => masking.parts,
            Err(reason) => return Ok((judged, Some(reason))),
        },
        Action::Allow => Vec::new(),
    };
    if judged.guard_output && (sent.passage.answer == Answer::Media || sent.stream()) {
        if judged.output_enforced {
            return Ok((judged, Some(unreadable(sent))));
        }
        // Rules that only count have nothing to count in it.
        judged.guard_output = false;
    }
    if !edits.is_empty() {
        let prompt = prompt(sent.said());
        let (masks, edits, _) =
            MaskTable::build(maker, &prompt, &edits, &[]).map_err(|error| match error {
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

/// What the guardrails say about these places of a request to an endpoint, for a model.
pub(super) async fn judge_parts<S: PolicySession>(
    session: &mut S,
    caller: &Caller,
    (passage, model): (&Passage, &str),
    places: &[Place<'_>],
) -> Result<Verdict, GatewayError> {
    let bytes: u64 = places.iter().map(|place| place.text.len() as u64).sum();
    let outline = Outline {
        operation: passage.name,
        model,
        messages: 1,
        tools: 0,
        largest_message: bytes,
        bytes,
    };
    let verdict = session.check_prompt(caller, &outline, places, &[]).await;
    verdict.map_err(|error| policy_failed(&error))
}

/// Whether rules for the output apply to what an endpoint answers, where no request is judged.
pub(super) async fn guards_output<S: PolicySession>(
    session: &mut S,
    caller: &Caller,
    operation: &'static str,
) -> Result<bool, GatewayError> {
    let outline = Outline {
        operation,
        model: "",
        messages: 0,
        tools: 0,
        largest_message: 0,
        bytes: 0,
    };
    let verdict = session.check_prompt(caller, &outline, &[], &[]).await;
    Ok(verdict.map_err(|error| policy_failed(&error))?.guard_output)
}

/// A guard for the labels of an answer, an error or a head.
pub(super) fn guarded<G: OutputGuard>(guard: G, secret: [u8; 16]) -> Guarded<G> {
    let sent = Known {
        model: "".into(),
        body: Bytes::new(),
    };
    Guarded::new(guard, Labels::new(secret, sent))
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
            "an output rule applies to \"{name}\", but it can't read {what}; the operator can set guard = \"off\" for this endpoint ([[through]])"
        ),
    }
}

/// The text of an answer, as it is let go: judged where rules apply, with values back in the
/// places of their masks.
pub(super) async fn release<G: OutputGuard>(
    guard: Option<Guarded<G>>,
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
    let mut relabelled = Vec::new();
    let mut out = match guard {
        None => texts
            .iter()
            .map(|(at, text)| (*at, (*text).to_owned()))
            .collect(),
        Some(mut guard) => {
            let labels = judge_labels(&mut guard, answer).await;
            let (guard, found) = guard.into_parts();
            hits.extend(found);
            relabelled = labels?;
            pass(guard, &texts, hits).await?
        }
    };
    if !masks.is_empty() {
        for (_, text) in &mut out {
            *text = masks.restore(Channel::Content, text);
        }
    }
    out.append(&mut relabelled);
    Ok(out)
}

/// The labels of an answer that a rule has masked: ids, models, names of members. Each is judged once,
/// however often it stands there.
async fn judge_labels<G: OutputGuard>(
    guard: &mut Guarded<G>,
    answer: &Passing,
) -> Result<Vec<(usize, String)>, GatewayError> {
    let labels = || {
        let said = answer.said().iter().enumerate();
        said.filter(|(_, said)| said.member == Member::Word && !said.text.is_empty())
    };
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut strings = Vec::new();
    for (_, label) in labels() {
        numbers.entry(&label.text).or_insert_with(|| {
            let at = strings.len();
            let channel = Channel::Annotation(u32::try_from(at).unwrap_or(u32::MAX));
            strings.push((channel, label.text.clone()));
            at
        });
    }
    if strings.is_empty() {
        return Ok(Vec::new());
    }
    let judged = guard.words(strings).await;
    let judged = judged.map_err(|error| policy_failed(&error))?;
    let judged = judged.map_err(|reason| denied(&reason))?;
    let changed = labels().filter_map(|(at, label)| {
        let number = *numbers.get(label.text.as_str())?;
        let words = judged.get(number)?.as_deref()?;
        // Two members of an object keep two names.
        let words = match label.is_name {
            true => format!("{words}_{number}"),
            false => words.to_owned(),
        };
        Some((at, words))
    });
    Ok(changed.collect())
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
