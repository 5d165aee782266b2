//! Forebay's guardrails policy: what may go in, and what may come out, chunk by chunk.
//!
//! # How text is judged
//!
//! Everything is built in `configure`: one Aho-Corasick automaton over the terms of all
//! dictionaries, one dense DFA over all built-in patterns (personal data, secrets), one DFA for
//! each pattern of the configuration. A request only reads them.
//!
//! Matches are found by where they *start*: at each position of a text that may start a match,
//! automata run forward until they die. So what is decided about a position depends only on the
//! text, never on how it was cut into chunks, and the output guard holds back exactly from the
//! first position at which some automaton is still alive.
//!
//! # How matches become a judgement
//!
//! * A match of an `allow` rule exempts matches of later rules that lie within it.
//! * A match of a `deny` rule ends the matter.
//! * Matches of `mask` rules that overlap are masked as one stretch, so that no end of one is left
//!   standing; its label is that of the rule that comes first.
//! * A match that begins in one place of a prompt and ends in the next is masked in both.
//! * Strings of JSON within JSON are judged by what they mean.
//! * A text is judged as it is, and once more as a reader takes it: without characters that do not show,
//!   in NFKC, and with escapes of HTML, URLs and source code decoded. Of an answer that streams, that is
//!   what is held.
//! * A rule that asks for it (`decode`) judges what prompts hold in base64 and quoted-printable as well.
//! * Rules in shadow mode are counted and change nothing.

mod again;
mod attacks;
mod checks;
pub mod config;
mod email;
mod encoded;
mod engines;
mod entities;
mod escapes;
mod forms;
mod glob;
mod json;
mod lazy;
mod named;
mod network;
mod patterns;
mod policy;
mod prompt;
mod regexes;
mod resolve;
mod seams;
mod secrets;
mod stream;
mod view;
mod words;
mod written;

#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "forebay:guardrails/guardrails-policy",
        generate_all,
        additional_derives: [PartialEq],
    });
}

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use bindings::exports::forebay::guardrails::guardrails as wit;
use policy::Policy;

/// Set once by `configure`; a snapshot of the component carries it.
static POLICY: OnceLock<Arc<Policy>> = OnceLock::new();

/// The policy, or one without rules where `configure` was never called.
fn policy() -> &'static Arc<Policy> {
    POLICY.get_or_init(Arc::default)
}

/// The component's exports.
#[cfg_attr(not(target_family = "wasm"), allow(dead_code))]
struct Guardrails;

impl wit::Guest for Guardrails {
    type OutputGuard = OutputGuard;

    fn configure(config: String) -> Result<(), String> {
        let policy = Policy::parse(&config)?;
        POLICY
            .set(Arc::new(policy))
            .map_err(|_| "the guardrails are already configured".to_owned())
    }

    fn check_prompt(
        caller: wit::Caller,
        outline: wit::Outline,
        places: Vec<wit::Place>,
        _opinions: Vec<wit::Opinion>,
    ) -> wit::Verdict {
        prompt::check(policy(), &caller, &outline, &places)
    }
}

/// The exported resource: one answer's guard.
struct OutputGuard(RefCell<stream::Guard>);

impl wit::GuestOutputGuard for OutputGuard {
    fn new(caller: wit::Caller) -> Self {
        Self(RefCell::new(stream::Guard::new(policy().clone(), &caller)))
    }

    fn push(&self, deltas: Vec<wit::Delta>) -> wit::Releases {
        self.0.borrow_mut().push(&deltas)
    }

    fn finish(&self, choice: Option<u32>) -> wit::Releases {
        self.0.borrow_mut().finish(choice)
    }
}

#[cfg(target_family = "wasm")]
#[allow(unsafe_code, missing_docs)]
mod exported {
    use super::{Guardrails, bindings};
    bindings::export!(Guardrails with_types_in bindings);
}

#[cfg(test)]
mod tests;
