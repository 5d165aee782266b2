//! The guests' answers as the gateway's types, checked on the way: a guest is not believed.

use forebay_dialect::canonical::Field;
use forebay_gateway::policy::{
    Action, Anchor, Block, Breakpoint, CachePlan, Candidate, Choice, Edit, Freshness, Hit, Place,
    PolicyError, Question, Ranking, Reason, Scope, Verdict,
};

use crate::bindings::policy::exports::forebay::{
    cloud_selector::cloud_selector as selector, guardrails::guardrails, prefix_cache::prefix_cache,
};
use crate::bindings::policy::forebay::types::{prompts, types};

/// The longest name of a set of rules: a character for each of 1,024 rules, four times over.
const SCOPE_BYTES: usize = 4_096;

/// The longest name of a service that is asked for an opinion: it is shown in an error.
const SERVICE_BYTES: usize = 64;

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
    places: &[Place<'_>],
) -> Result<Verdict, PolicyError> {
    let action = match verdict.action {
        guardrails::Action::Allow => Action::Allow,
        guardrails::Action::Deny(why) => Action::Deny(reason(why)),
        guardrails::Action::Edit(edits) => {
            let edits: Vec<Edit> = edits.into_iter().map(edit).collect();
            check_edits(&edits, places)?;
            Action::Edit(edits)
        }
        guardrails::Action::Ask(asked) => Action::Ask(question(asked.service, asked.places)?),
    };
    if verdict.scope.len() > SCOPE_BYTES {
        return Err(nonsense(
            "guardrails",
            format!(
                "a scope of {} bytes, over {SCOPE_BYTES}",
                verdict.scope.len()
            ),
        ));
    }
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
        output_enforced: verdict.output_enforced,
        scope: verdict.scope,
    })
}

fn question(service: String, places: Vec<u32>) -> Result<Question, PolicyError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if service.is_empty() || service.len() > SERVICE_BYTES || !service.bytes().all(plain) {
        return Err(nonsense(
            "guardrails",
            "a question to a service whose name is not 1 to 64 letters, digits, `-`, `_` and `.`",
        ));
    }
    Ok(Question { service, places })
}

fn edit(edit: guardrails::Edit) -> Edit {
    Edit {
        place: edit.span.place,
        start: edit.span.start,
        end: edit.span.end,
        label: edit.label,
    }
}

fn check_edits(edits: &[Edit], places: &[Place<'_>]) -> Result<(), PolicyError> {
    let wrong = |edit: &Edit, what: &str| {
        let Edit {
            place, start, end, ..
        } = edit;
        nonsense(
            "guardrails",
            format!("the edit of {start}..{end} in place {place} {what}"),
        )
    };
    let mut before = (0, 0);
    for edit in edits {
        let text = places
            .get(edit.place as usize)
            .map(|place| place.text.as_ref())
            .ok_or_else(|| wrong(edit, "names a place that is not there"))?;
        if edit.start >= edit.end || text.get(edit.start as usize..edit.end as usize).is_none() {
            return Err(wrong(edit, "is not a stretch of whole characters of it"));
        }
        if (edit.place, edit.start) < before {
            return Err(wrong(edit, "overlaps the one before it or is out of order"));
        }
        before = (edit.place, edit.end);
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
    let digest = |bytes: &[u8]| {
        <[u8; 32]>::try_from(bytes)
            .map_err(|_| wrong(format!("a digest of {} bytes, not 32", bytes.len())))
    };
    let inputs: Result<Vec<_>, _> = plan.inputs.iter().map(|input| digest(input)).collect();
    let (digest, inputs) = (digest(&plan.digest)?, inputs?);
    let ordered = plan.chain.windows(2).all(|pair| pair[0].end < pair[1].end);
    if !ordered {
        return Err(wrong(
            "a chain whose blocks do not follow one another".into(),
        ));
    }
    let field = |field: prompts::FieldResult| Field {
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
        inputs,
        breakpoints: plan.breakpoints.iter().map(breakpoint).collect(),
    })
}

fn breakpoint(point: &prefix_cache::Breakpoint) -> Breakpoint {
    Breakpoint {
        after: match point.after {
            prefix_cache::Anchor::Tools => Anchor::Tools,
            prefix_cache::Anchor::Part(at) => Anchor::Part {
                message: at.message,
                part: at.part,
            },
        },
        prefix: point.prefix,
        bytes: point.bytes,
        after_uses: point.after_uses,
        ttl: point.ttl,
    }
}

pub(crate) fn ranking(
    ranking: selector::Ranking,
    all: &[Candidate],
) -> Result<Ranking, PolicyError> {
    let candidates = all.len();
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
        let workers = all
            .get(choice.candidate as usize)
            .map_or(0, |candidate| candidate.workers.len());
        if let Some(worker) = choice.worker
            && worker as usize >= workers
        {
            return Err(nonsense(
                "cloud-selector",
                format!(
                    "worker {worker} of candidate {}, which has {workers}",
                    choice.candidate
                ),
            ));
        }
        order.push(Choice {
            candidate: choice.candidate,
            score: choice.score,
            parts: choice
                .parts
                .into_iter()
                .map(|part| (part.name, part.value))
                .collect(),
            cost_micro_usd: choice.cost_micro_usd,
            worker: choice.worker,
        });
    }
    let mut excluded = Vec::with_capacity(ranking.excluded.len().min(candidates));
    for exclusion in ranking.excluded {
        name(exclusion.candidate)?;
        excluded.push((exclusion.candidate, reason(exclusion.why)));
    }
    Ok(Ranking { order, excluded })
}
