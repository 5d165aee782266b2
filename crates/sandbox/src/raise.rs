//! The guests' answers as the gateway's types, checked on the way: a guest is not believed.

use forebay_dialect::canonical::{Field, Part, Prompt};
use forebay_gateway::policy::{
    Action, Block, CachePlan, Choice, Edit, Freshness, Hit, PolicyError, Ranking, Reason, Scope,
    Verdict,
};

use crate::bindings::policy::exports::forebay::edge::{
    cloud_selector as selector, guardrails, prefix_cache,
};
use crate::bindings::policy::forebay::edge::types;

/// The longest label of an edit: it becomes part of a placeholder in the prompt.
const LABEL_BYTES: usize = 32;

fn nonsense(policy: &'static str, detail: impl Into<String>) -> PolicyError {
    PolicyError::Nonsense {
        policy,
        detail: detail.into(),
    }
}

fn reason(reason: types::ReasonResult) -> Reason {
    Reason {
        code: reason.code,
        detail: reason.detail,
    }
}

pub(crate) fn verdict(
    verdict: guardrails::Verdict,
    prompt: &Prompt,
) -> Result<Verdict, PolicyError> {
    let action = match verdict.action {
        guardrails::Action::Allow => Action::Allow,
        guardrails::Action::Deny(why) => Action::Deny(reason(why)),
        guardrails::Action::Edit(edits) => {
            let edits: Vec<Edit> = edits.into_iter().map(edit).collect();
            check_edits(&edits, prompt)?;
            Action::Edit(edits)
        }
    };
    let hits = verdict
        .hits
        .into_iter()
        .map(|hit| Hit {
            rule: hit.rule,
            action: hit.action,
            count: hit.count,
            shadow: hit.shadow,
        })
        .collect();
    Ok(Verdict {
        action,
        hits,
        guard_output: verdict.guard_output,
    })
}

fn edit(edit: guardrails::Edit) -> Edit {
    Edit {
        message: edit.span.message,
        part: edit.span.part,
        start: edit.span.start,
        end: edit.span.end,
        label: edit.label,
    }
}

fn check_edits(edits: &[Edit], prompt: &Prompt) -> Result<(), PolicyError> {
    let wrong = |edit: &Edit, what: &str| {
        let Edit {
            message,
            part,
            start,
            end,
            ..
        } = edit;
        nonsense(
            "guardrails",
            format!("the edit of {start}..{end} in part {part} of message {message} {what}"),
        )
    };
    let mut before = (0, 0, 0);
    for edit in edits {
        let text = prompt
            .messages
            .get(edit.message as usize)
            .and_then(|message| message.parts.get(edit.part as usize))
            .map(|part| match part {
                Part::Text(text) => text,
                Part::ToolCall(call) => &call.arguments,
                Part::Opaque(opaque) => &opaque.json,
            })
            .ok_or_else(|| wrong(edit, "names a part that is not there"))?;
        if edit.start >= edit.end || text.get(edit.start as usize..edit.end as usize).is_none() {
            return Err(wrong(edit, "is not a stretch of whole characters of it"));
        }
        if (edit.message, edit.part, edit.start) < before {
            return Err(wrong(edit, "overlaps the one before it or is out of order"));
        }
        before = (edit.message, edit.part, edit.end);
        let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        let label = edit.label.as_bytes();
        if label.is_empty() || label.len() > LABEL_BYTES || !label.iter().all(|b| plain(*b)) {
            return Err(wrong(
                edit,
                "has a label that is not 1 to 32 of A-Z, 0-9 and _",
            ));
        }
    }
    Ok(())
}

pub(crate) fn plan(plan: prefix_cache::CachePlanResult) -> Result<CachePlan, PolicyError> {
    let wrong = |detail: String| nonsense("prefix-cache", detail);
    let digest = <[u8; 32]>::try_from(plan.digest.as_slice())
        .map_err(|_| wrong(format!("a digest of {} bytes, not 32", plan.digest.len())))?;
    let ordered = plan.chain.windows(2).all(|pair| pair[0].end < pair[1].end);
    if !ordered {
        return Err(wrong(
            "a chain whose blocks do not follow one another".into(),
        ));
    }
    let field = |field: types::FieldResult| Field {
        name: field.name,
        value: field.value,
    };
    Ok(CachePlan {
        digest,
        scope: match plan.scope {
            prefix_cache::Scope::Tenant => Scope::Tenant,
            prefix_cache::Scope::Key => Scope::Key,
        },
        lookup: plan.lookup,
        store: plan.store,
        why: plan.why.map(reason),
        freshness: Freshness {
            ttl: plan.freshness.ttl,
            idle: plan.freshness.idle,
            stale_if_error: plan.freshness.stale_if_error,
        },
        chain: plan
            .chain
            .iter()
            .map(|b| Block {
                hash: b.hash,
                end: b.end,
            })
            .collect(),
        hints: plan.hints.into_iter().map(field).collect(),
    })
}

pub(crate) fn ranking(
    ranking: selector::Ranking,
    candidates: usize,
) -> Result<Ranking, PolicyError> {
    let mut named = vec![false; candidates];
    let mut name = |index: u32| match named.get_mut(index as usize) {
        Some(seen) if !*seen => {
            *seen = true;
            Ok(())
        }
        _ => Err(nonsense(
            "cloud-selector",
            format!("candidate {index} of {candidates}, out of range or named twice"),
        )),
    };
    let mut order = Vec::with_capacity(ranking.order.len().min(candidates));
    for choice in ranking.order {
        name(choice.candidate)?;
        order.push(Choice {
            candidate: choice.candidate,
            score: choice.score,
            parts: choice
                .parts
                .into_iter()
                .map(|part| (part.name, part.value))
                .collect(),
            cost_micro_usd: choice.cost_micro_usd,
        });
    }
    let mut excluded = Vec::with_capacity(ranking.excluded.len().min(candidates));
    for exclusion in ranking.excluded {
        name(exclusion.candidate)?;
        excluded.push((exclusion.candidate, reason(exclusion.why)));
    }
    Ok(Ranking { order, excluded })
}
