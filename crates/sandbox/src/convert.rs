//! The gateway's policy types to and from those of each world in [`crate::bindings`].

#![allow(
    dead_code,
    reason = "a world on its own is asked for a part of its interface"
)]

/// The three policies composed.
pub(crate) mod composed {
    use crate::bindings::policy as bindings;

    pub(crate) mod guardrails {
        forebay_policy_wit::guardrails!(
            super::bindings::forebay::types::types,
            super::bindings::exports::forebay::guardrails::guardrails
        );
    }
    pub(crate) mod prefix_cache {
        forebay_policy_wit::prefix_cache!(
            super::bindings::forebay::types::types,
            super::bindings::forebay::types::prompts,
            super::bindings::exports::forebay::prefix_cache::prefix_cache
        );
    }
    pub(crate) mod cloud_selector {
        forebay_policy_wit::cloud_selector!(
            super::bindings::forebay::types::types,
            super::bindings::exports::forebay::cloud_selector::cloud_selector
        );
    }
}

/// Guardrails alone.
pub(crate) mod guardrails {
    /// This world takes no reason, so its bindings have the one it gives under the plain name.
    mod vocabulary {
        pub(super) use crate::bindings::guardrails::forebay::types::types::{
            Caller, Reason as ReasonResult,
        };
    }
    forebay_policy_wit::guardrails!(
        vocabulary,
        crate::bindings::guardrails::exports::forebay::guardrails::guardrails
    );
}

/// The prefix cache alone.
pub(crate) mod prefix_cache {
    forebay_policy_wit::prefix_cache!(
        crate::bindings::prefix_cache::forebay::types::types,
        crate::bindings::prefix_cache::forebay::types::prompts,
        crate::bindings::prefix_cache::exports::forebay::prefix_cache::prefix_cache
    );
}
