//! What `wit/` looks like from the host: typed calls into each world, generated.
//! Arguments borrow, so that a prompt crosses into the guest without a copy on the way.

#![allow(missing_docs, unreachable_pub, unsafe_code, dead_code, clippy::all)]

/// The three policies composed.
pub(crate) mod policy {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "policy",
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// Guardrails alone: what an output guard runs.
pub(crate) mod guardrails {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "forebay:guardrails/guardrails-policy",
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// The prefix cache alone: what an admission runs.
pub(crate) mod prefix_cache {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "forebay:prefix-cache/prefix-cache-policy",
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// The cloud selector alone: only to see at load that it keeps to the contract.
pub(crate) mod cloud_selector {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "forebay:cloud-selector/cloud-selector-policy",
        exports: { default: async },
    });
}
