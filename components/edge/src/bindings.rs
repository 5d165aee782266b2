//! What `wit/` looks like from the edge: the policies as imports, generated. The types carry the
//! names that a host's bindings give them, which `forebay-policy-wit` converts.

#![allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    unused_imports,
    dead_code,
    clippy::all,
    clippy::pedantic
)]

mod generated {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "edge",
        generate_all,
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

pub(crate) use generated::forebay::release::release;

/// The vocabulary, with what a guest hands over under the names that a host uses.
pub(crate) mod types {
    pub(crate) use super::generated::forebay::types::types::CallerParam as Caller;
    pub(crate) use super::generated::forebay::types::types::*;
}

/// A whole prompt.
pub(crate) mod prompts {
    pub(crate) use super::generated::forebay::types::prompts::*;
    pub(crate) use super::generated::forebay::types::prompts::{
        MessageParam as Message, OpaquePartParam as OpaquePart, PartParam as Part,
        PromptParam as Prompt, ToolCallParam as ToolCall,
    };
}

/// The prefix cache.
pub(crate) mod prefix_cache {
    pub(crate) use super::generated::forebay::prefix_cache::prefix_cache::*;
}

/// The guardrails.
pub(crate) mod guardrails {
    pub(crate) use super::generated::forebay::guardrails::guardrails::*;
    pub(crate) use super::generated::forebay::guardrails::guardrails::{
        DeltaParam as Delta, OpinionParam as Opinion, OutlineParam as Outline, PlaceParam as Place,
    };
}

/// The cloud selector.
pub(crate) mod cloud_selector {
    pub(crate) use super::generated::forebay::cloud_selector::cloud_selector::*;
    pub(crate) use super::generated::forebay::cloud_selector::cloud_selector::{
        CandidateParam as Candidate, DemandParam as Demand, WorkerParam as Worker,
    };
}
