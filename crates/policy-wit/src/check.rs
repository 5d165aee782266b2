//! Whether what a guest answered makes sense.

use forebay_gateway::policy::{
    Block, Candidate, Choice, Edit, Place, PolicyError, Question, Ranking,
};

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

/// The name of the rules in force.
///
/// # Errors
///
/// It is longer than any set of rules has.
pub fn scope(scope: &str) -> Result<(), PolicyError> {
    if scope.len() > SCOPE_BYTES {
        return Err(nonsense(
            "guardrails",
            format!("a scope of {} bytes, over {SCOPE_BYTES}", scope.len()),
        ));
    }
    Ok(())
}

/// A question for a second opinion.
///
/// # Errors
///
/// The service has no name that could be configured.
pub fn question(question: &Question) -> Result<(), PolicyError> {
    let service = &question.service;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if service.is_empty() || service.len() > SERVICE_BYTES || !service.bytes().all(plain) {
        return Err(nonsense(
            "guardrails",
            "a question to a service whose name is not 1 to 64 letters, digits, `-`, `_` and `.`",
        ));
    }
    Ok(())
}

/// The edits of a prompt with these places.
///
/// # Errors
///
/// One is outside its place, splits a character, overlaps the one before it, or has no usable label.
pub fn edits(edits: &[Edit], places: &[Place<'_>]) -> Result<(), PolicyError> {
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

/// A SHA-256.
///
/// # Errors
///
/// It has another length.
pub fn digest(bytes: &[u8]) -> Result<[u8; 32], PolicyError> {
    bytes.try_into().map_err(|_| {
        nonsense(
            "prefix-cache",
            format!("a digest of {} bytes, not 32", bytes.len()),
        )
    })
}

/// The chain of a prompt's blocks.
///
/// # Errors
///
/// A block ends where the one before it does, or before.
pub fn chain(chain: &[Block]) -> Result<(), PolicyError> {
    if chain.windows(2).all(|pair| pair[0].end < pair[1].end) {
        return Ok(());
    }
    Err(nonsense(
        "prefix-cache",
        "a chain whose blocks do not follow one another",
    ))
}

/// A ranking of these candidates.
///
/// # Errors
///
/// It names a candidate or a worker that is not there, or a candidate twice.
pub fn ranking(ranking: &Ranking, all: &[Candidate]) -> Result<(), PolicyError> {
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
    for choice in &ranking.order {
        name(choice.candidate)?;
        worker(choice, all)?;
    }
    for (candidate, _) in &ranking.excluded {
        name(*candidate)?;
    }
    Ok(())
}

fn worker(choice: &Choice, all: &[Candidate]) -> Result<(), PolicyError> {
    let candidate = all.get(choice.candidate as usize);
    let workers = candidate.map_or(0, |candidate| candidate.workers.len());
    match choice.worker {
        Some(worker) if worker as usize >= workers => Err(nonsense(
            "cloud-selector",
            format!(
                "worker {worker} of candidate {}, which has {workers}",
                choice.candidate
            ),
        )),
        _ => Ok(()),
    }
}
