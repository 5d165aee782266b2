//! What `wit/` looks like from the edge: the policies as imports, generated. The modules under
//! `policy` carry the names that the native host's bindings have, since both share the files
//! that convert between those types and the gateway's.

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
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

pub(crate) use generated::forebay::edge::release;

/// The vocabulary, with what a guest hands over under the names that a host uses.
pub(crate) mod types {
    pub(crate) use super::generated::forebay::edge::types::*;
    pub(crate) use super::generated::forebay::edge::types::{
        CallerParam as Caller, MessageParam as Message, OpaquePartParam as OpaquePart,
        PartParam as Part, PromptParam as Prompt, ToolCallParam as ToolCall,
    };
}

/// The prefix cache.
pub(crate) mod prefix_cache {
    pub(crate) use super::generated::forebay::edge::prefix_cache::*;
}

/// The guardrails.
pub(crate) mod guardrails {
    pub(crate) use super::generated::forebay::edge::guardrails::DeltaParam as Delta;
    pub(crate) use super::generated::forebay::edge::guardrails::*;
}

/// The cloud selector.
pub(crate) mod cloud_selector {
    pub(crate) use super::generated::forebay::edge::cloud_selector::*;
    pub(crate) use super::generated::forebay::edge::cloud_selector::{
        CandidateParam as Candidate, DemandParam as Demand,
    };
}

/// The same under the paths of the native host's bindings.
pub(crate) mod policy {
    pub(crate) mod exports {
        pub(crate) mod forebay {
            pub(crate) mod edge {
                pub(crate) use crate::bindings::{cloud_selector, guardrails, prefix_cache};
            }
        }
    }
    pub(crate) mod forebay {
        pub(crate) mod edge {
            pub(crate) use crate::bindings::types;
        }
    }
}
