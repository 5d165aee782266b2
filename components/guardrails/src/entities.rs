//! The built-in entities: a pattern that finds candidates and a check that rejects look-alikes.
//!
//! Patterns are ASCII, start at a token (no letter, digit or `_` before them) and are long enough
//! to be told apart; what a pattern can't say, a check does.

use crate::{checks, email, network, secrets};

/// What must hold beside the pattern.
#[derive(Clone, Copy)]
pub(crate) enum Check {
    /// Nothing.
    None,
    /// There is no pattern: this finds it from where a token starts.
    Scan(Scan),
    /// This, of the matched bytes.
    Value(fn(&[u8]) -> bool),
    /// This, of the text, the match's start and its end.
    Context(fn(&[u8], usize, usize) -> bool),
    /// The pattern is only the head; this reads on from the head's end.
    Tail(fn(&[u8], usize) -> Tail),
}

/// Entities whose pattern would multiply the states of all others: any word may start one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scan {
    /// An address for electronic mail.
    Email,
    /// A value that something secret is set to.
    Assigned,
    /// An address of the Internet's version 6.
    Ipv6,
}

impl Scan {
    /// Looks for the entity that starts at `at`.
    pub(crate) fn find(self, text: &[u8], at: usize) -> Tail {
        match self {
            Self::Email => email::find(text, at),
            Self::Assigned => secrets::assigned(text, at),
            Self::Ipv6 => network::ipv6(text, at),
        }
    }
}

/// What reading on has found.
pub(crate) struct Tail {
    /// Where it stopped reading: the text's end, or the byte that decided.
    pub(crate) stop: usize,
    /// Where the entity ends, if it is one.
    pub(crate) end: Option<usize>,
}

/// Which rule kind an entity belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// `kind = "pii"`.
    Pii,
    /// `kind = "secrets"`.
    Secrets,
}

/// One built-in entity.
pub(crate) struct Entity {
    /// Its name in `entities`, and its label.
    pub(crate) name: &'static str,
    /// The rule kind it belongs to.
    pub(crate) group: Group,
    /// What finds candidates.
    pub(crate) pattern: &'static str,
    /// What rejects look-alikes.
    pub(crate) check: Check,
}

const fn pii(name: &'static str, pattern: &'static str, check: Check) -> Entity {
    Entity {
        name,
        group: Group::Pii,
        pattern,
        check,
    }
}

const fn secret(name: &'static str, pattern: &'static str, check: Check) -> Entity {
    Entity {
        name,
        group: Group::Secrets,
        pattern,
        check,
    }
}

/// Every built-in entity; one name may have several patterns.
pub(crate) static ENTITIES: &[Entity] = &[
    // RFC 5321, with a domain that has a dot.
    pii("EMAIL", "", Check::Scan(Scan::Email)),
    // ISO/IEC 7812: 13 to 19 digits, single spaces or hyphens between.
    pii(
        "CREDIT_CARD",
        r"[2-6](?:[ \-]?[0-9]){12,18}",
        Check::Value(checks::credit_card),
    ),
    // ISO 13616, electronic form or printed in groups.
    pii(
        "IBAN",
        r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}",
        Check::Value(checks::iban),
    ),
    pii(
        "US_SSN",
        r"[0-9]{3}[ \-][0-9]{2}[ \-][0-9]{4}",
        Check::Value(checks::us_ssn),
    ),
    // ITU-T E.164 with country code.
    pii(
        "PHONE",
        r"\+[1-9](?:[ .\-]?\(?[0-9]\)?){7,14}",
        Check::Context(checks::phone),
    ),
    // North America: area and exchange start with 2 to 9; separators are required.
    pii(
        "PHONE",
        r"(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .\-])[2-9][0-9]{2}[ .\-][0-9]{4}",
        Check::Context(checks::phone),
    ),
    // National form with trunk prefix 0, area and number apart.
    pii(
        "PHONE",
        r"0[1-9][0-9]{1,3}[ /\-][0-9]{3,4}(?:[ \-]?[0-9]{2,4}){1,2}",
        Check::Context(checks::phone),
    ),
    // Longer dotted numbers are followed so that the check can turn them away.
    pii(
        "IP_ADDRESS",
        r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:\.[0-9]+)*",
        Check::Context(network::ipv4),
    ),
    pii("IP_ADDRESS", "", Check::Scan(Scan::Ipv6)),
    // BIP 173 and BIP 350.
    pii(
        "CRYPTO_WALLET",
        r"bc1[02-9ac-hj-np-z]{11,71}",
        Check::Value(checks::bech32),
    ),
    pii("CRYPTO_WALLET", r"0x[0-9A-Fa-f]{40}", Check::None),
    // Prefixes as the vendors document them.
    secret(
        "AWS_ACCESS_KEY",
        r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}",
        Check::None,
    ),
    secret(
        "GITHUB_TOKEN",
        r"(?:gh[opsru]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})",
        Check::None,
    ),
    secret("GITLAB_TOKEN", r"glpat-[A-Za-z0-9_\-]{20,}", Check::None),
    secret(
        "SLACK_TOKEN",
        r"xox[abeoprs]-[A-Za-z0-9\-]{10,}",
        Check::None,
    ),
    // OpenAI's and Anthropic's keys.
    secret("API_KEY", r"sk-[A-Za-z0-9_\-]{20,}", Check::None),
    secret("STRIPE_KEY", r"[rs]k_live_[A-Za-z0-9]{20,}", Check::None),
    secret("HUGGINGFACE_TOKEN", r"hf_[A-Za-z0-9]{30,}", Check::None),
    secret("GOOGLE_API_KEY", r"AIza[A-Za-z0-9_\-]{35}", Check::None),
    secret("JWT", r"eyJ[A-Za-z0-9_\-]{7}", Check::Tail(secrets::jwt)),
    secret(
        "PRIVATE_KEY",
        r"-----BEGIN (?:[A-Z0-9]{1,10} ){0,2}PRIVATE KEY(?: BLOCK)?-----",
        Check::Tail(secrets::pem),
    ),
    // What a word such as `api_key` or `password` is set to, if it looks random.
    secret("GENERIC_SECRET", "", Check::Scan(Scan::Assigned)),
];

/// The names of a group, each once, in the table's order.
pub(crate) fn names(group: Group) -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    for entity in ENTITIES.iter().filter(|e| e.group == group) {
        if !names.contains(&entity.name) {
            names.push(entity.name);
        }
    }
    names
}
