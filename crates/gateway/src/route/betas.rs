//! What of Anthropic's API a seller of its models does not have: betas, and members of the body.

use forebay_dialect::exchange::{Grade, Lost, Profile};
use forebay_dialect::{clouds, json_string};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::attempt::Attempts;
use crate::enter::form::BETA;
use crate::platform::Platform;

impl<P: Platform> Attempts<P> {
    /// The betas of Anthropic's API that the client asks for and the upstream takes, and the loss of
    /// others.
    pub(super) fn betas(&self, profile: Profile) -> (Vec<&str>, Vec<Lost>) {
        let values = self.outgoing.headers.get_all(BETA).iter();
        let texts = values.filter_map(|value| value.to_str().ok());
        let asked = texts.flat_map(|text| text.split(',')).map(str::trim);
        let asked = asked.filter(|beta| !beta.is_empty());
        let (mut betas, mut lost) = (Vec::new(), Vec::new());
        for beta in asked {
            match clouds::beta(profile, beta) {
                Some(beta) if !betas.contains(&beta) => betas.push(beta),
                // It tells who asks, and changes nothing.
                None if lost.is_empty() && !beta.starts_with("claude-code-") => lost.push(Lost {
                    param: BETA.as_str().to_owned(),
                    why: "this upstream does not have one of the beta features",
                    grade: Grade::Tolerable,
                }),
                _ => {}
            }
        }
        (betas, lost)
    }

    /// Members of the client's body that this seller of the format refuses.
    pub(super) fn lacking(&self, profile: Profile, betas: Option<&str>) -> Vec<&'static str> {
        let extra = &self.outgoing.request.prompt.extra;
        let has = |name: &str| extra.iter().any(|field| field.name == name);
        let mut lacking: Vec<&str> = clouds::lacking(profile).to_vec();
        // AWS knows it by its beta alone.
        const EDITS: &str = "context_management";
        let told = betas.is_some_and(|betas| {
            ["context-management-", "compact-"]
                .iter()
                .any(|beta| betas.contains(beta))
        });
        if profile == Profile::BedrockInvoke && !told {
            lacking.push(EDITS);
        }
        lacking.retain(|name| has(name));
        lacking
    }
}

/// Texts as a JSON array; none where there are none.
pub(super) fn json_list(texts: &[&str]) -> Option<String> {
    let quoted: Vec<String> = texts.iter().map(|text| json_string(text)).collect();
    (!quoted.is_empty()).then(|| format!("[{}]", quoted.join(",")))
}

/// A member of the body that this seller of the format refuses.
pub(super) fn not_sold(name: &str) -> Lost {
    let grade = match name {
        "cache_control" | "service_tier" => Grade::Hint,
        _ => Grade::Tolerable,
    };
    Lost {
        param: name.to_owned(),
        why: "this upstream does not have it",
        grade,
    }
}

/// A header's value; the lines of one that is a list are one list (RFC 9110, section 5.3).
pub(super) fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if !matches!(name.as_str(), "anthropic-beta" | "openai-beta") {
        return Some(first.clone());
    }
    let mut all = first.as_bytes().to_vec();
    for more in values {
        all.extend_from_slice(b",");
        all.extend_from_slice(more.as_bytes());
    }
    HeaderValue::from_bytes(&all).ok()
}
