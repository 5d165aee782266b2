//! Admissions: asked of a prefix cache of its own, or of the three in a tenant's sandbox.
//! The two have the same types twice, so this file's one macro writes both.

use forebay_gateway::policy::{
    Admission, Anchor, Breakpoint, CachePlan, Ending, Freshness, Outcome, Reason, Scope,
};

macro_rules! admit {
    ($name:ident, $bindings:path) => {
        pub(crate) async fn $name(
            guest: &$name::cache::Guest,
            store: &mut wasmtime::Store<crate::guest::Guest>,
            plan: &CachePlan,
            outcome: &Outcome,
        ) -> wasmtime::Result<Admission> {
            use $name::{cache, prompts, types};

            fn breakpoint(point: &Breakpoint) -> cache::Breakpoint {
                cache::Breakpoint {
                    after: match point.after {
                        Anchor::Tools => cache::Anchor::Tools,
                        Anchor::Part { message, part } => {
                            cache::Anchor::Part(cache::PartIndex { message, part })
                        }
                    },
                    prefix: point.prefix,
                    bytes: point.bytes,
                    after_uses: point.after_uses,
                    ttl: point.ttl,
                }
            }

            let chain: Vec<_> = plan
                .chain
                .iter()
                .map(|block| cache::Block {
                    hash: block.hash,
                    end: block.end,
                })
                .collect();
            let hints: Vec<_> = plan
                .hints
                .iter()
                .map(|field| prompts::FieldParam {
                    name: &field.name,
                    value: &field.value,
                })
                .collect();
            let inputs: Vec<&[u8]> = plan.inputs.iter().map(<[u8; 32]>::as_slice).collect();
            let breakpoints: Vec<_> = plan.breakpoints.iter().map(breakpoint).collect();
            let plan = cache::CachePlanParam {
                digest: &plan.digest,
                scope: match plan.scope {
                    Scope::Tenant => cache::Scope::Tenant,
                    Scope::Key => cache::Scope::Key,
                },
                lookup: plan.lookup,
                store: plan.store,
                why: plan.why.as_ref().map(|why| types::ReasonParam {
                    code: &why.code,
                    detail: &why.detail,
                }),
                freshness: cache::Freshness {
                    ttl: plan.freshness.ttl,
                    idle: plan.freshness.idle,
                    stale_if_error: plan.freshness.stale_if_error,
                },
                chain: &chain,
                hints: &hints,
                inputs: &inputs,
                breakpoints: &breakpoints,
            };
            let outcome = cache::Outcome {
                ending: match outcome.ending {
                    Ending::Complete => cache::Ending::Complete,
                    Ending::Length => cache::Ending::Length,
                    Ending::Truncated => cache::Ending::Truncated,
                    Ending::Error => cache::Ending::Error,
                    Ending::Refused => cache::Ending::Refused,
                },
                status: outcome.status,
                bytes: outcome.bytes,
                tool_calls: outcome.tool_calls,
                usage: outcome.usage.map(|usage| types::Usage {
                    input: usage.input,
                    output: usage.output,
                    cached_input: usage.cached_input,
                    cache_write: usage.cache_write,
                    reasoning: usage.reasoning,
                }),
            };
            let admission = guest.call_admit(store, plan, outcome).await?;
            Ok(Admission {
                store: admission.store,
                freshness: Freshness {
                    ttl: admission.freshness.ttl,
                    idle: admission.freshness.idle,
                    stale_if_error: admission.freshness.stale_if_error,
                },
                tags: admission.tags,
                why: admission.why.map(|why| Reason {
                    code: why.code,
                    detail: why.detail,
                }),
            })
        }

        mod $name {
            pub(super) use bindings::exports::forebay::prefix_cache::prefix_cache as cache;
            pub(super) use bindings::forebay::types::{prompts, types};
            use $bindings as bindings;
        }
    };
}

admit!(alone, crate::bindings::prefix_cache);
admit!(composed, crate::bindings::policy);
