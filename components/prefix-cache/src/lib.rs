//! Forebay's prefix-cache policy: what may be cached, under which identity, and for how long.
//!
//! `plan` gives a prompt its identity (a SHA-256 over every field that can change the answer),
//! says whether an entry may answer it and whether its answer may become one, and chains the
//! hashes of its text's blocks for routing. `admit` decides when the answer has ended.
//!
//! # What is not cached, by default
//!
//! | code | when | way out |
//! | --- | --- | --- |
//! | `model-excluded` | the configuration excludes the model | `models` |
//! | `sampled` | the temperature is above 0, or absent: an upstream's own default is above 0 | the client's `cache-sampled`, `cache_sampled`, `temperature_default_zero` |
//! | `tools` | the prompt offers tools and the configuration says `never` | `tools` |
//! | `tool-calls` | the answer calls a tool, and the configuration says `no-calls` | `tools` |
//! | `media` | a part points at a URL, whose content may change behind it | `media` |
//! | `no-cache`, `max-age`, `no-store` | the request says so | |
//!
//! Several choices (`n` above 1) are one entry that holds them all.

mod admission;
mod breakpoints;
mod chain;
mod config;
mod digest;
#[cfg(test)]
mod growth;
mod plan;

#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "forebay:prefix-cache/prefix-cache-policy",
        generate_all,
        additional_derives: [PartialEq],
    });
}

use std::sync::OnceLock;

use bindings::exports::forebay::prefix_cache::prefix_cache as wit;
pub use config::Config;

/// Set once by `configure`; a snapshot of the component carries it.
static CONFIG: OnceLock<Config> = OnceLock::new();

/// The component's exports.
#[cfg_attr(not(target_family = "wasm"), allow(dead_code))]
struct PrefixCache;

impl wit::Guest for PrefixCache {
    fn configure(config: String) -> Result<(), String> {
        let config = Config::parse(&config)?;
        CONFIG
            .set(config)
            .map_err(|_| "the prefix-cache is already configured".to_owned())
    }

    fn plan(
        caller: wit::Caller,
        prompt: wit::Prompt,
        directives: wit::Directives,
    ) -> wit::CachePlan {
        plan::plan(
            CONFIG.get_or_init(Config::default),
            &caller,
            &prompt,
            &directives,
        )
    }

    fn admit(plan: wit::CachePlan, outcome: wit::Outcome) -> wit::Admission {
        admission::admit(CONFIG.get_or_init(Config::default), &plan, &outcome)
    }
}

#[cfg(target_family = "wasm")]
#[allow(unsafe_code, missing_docs)]
mod exported {
    use super::{PrefixCache, bindings};
    bindings::export!(PrefixCache with_types_in bindings);
}
