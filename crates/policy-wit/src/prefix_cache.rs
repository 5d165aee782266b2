//! The prefix cache: prompts, plans and outcomes as it sees them; plans and admissions as the gateway does.

/// Converts for one set of bindings of the prefix cache: the modules of `forebay:types/types`,
/// `forebay:types/prompts` and `forebay:prefix-cache/prefix-cache`. Functions become items of the
/// module that calls it.
#[macro_export]
macro_rules! prefix_cache {
    ($types:path, $prompts:path, $prefix_cache:path) => {
        use $prefix_cache as prefix_cache;
        use $prompts as prompts;
        use $types as types;

        use $crate::canonical;
        use $crate::check;
        use $crate::gateway::{
            Admission, Anchor, Block, Breakpoint, CachePlan, Caller, Directives, Ending, Freshness,
            Outcome, PolicyError, Reason, Scope,
        };

        pub(crate) fn caller(caller: &Caller) -> types::Caller<'_> {
            types::Caller {
                tenant: &caller.tenant,
                key: &caller.key,
                route: caller.route,
            }
        }

        pub(crate) fn directives(directives: &Directives) -> types::Directives {
            types::Directives {
                no_cache: directives.no_cache,
                no_store: directives.no_store,
                only_if_cached: directives.only_if_cached,
                max_age: directives.max_age,
                stale_if_error: directives.stale_if_error,
                cache_sampled: directives.cache_sampled,
            }
        }

        /// What a lowered prompt borrows from: lists of references, in four allocations.
        pub(crate) struct Lists<'a> {
            parts: Vec<prompts::Part<'a>>,
            fields: Vec<prompts::FieldParam<'a>>,
            tools: Vec<&'a str>,
        }

        impl<'a> Lists<'a> {
            /// The parts and fields of all messages, one after another.
            pub(crate) fn of(prompt: &'a canonical::Prompt) -> Self {
                let parts = prompt
                    .messages
                    .iter()
                    .flat_map(|m| &m.parts)
                    .map(part)
                    .collect();
                let of_messages = prompt.messages.iter().flat_map(|m| &m.extra);
                let fields = of_messages.chain(&prompt.extra).map(field).collect();
                Self {
                    parts,
                    fields,
                    tools: prompt.tools.iter().map(String::as_str).collect(),
                }
            }

            /// The messages over those lists.
            pub(crate) fn messages(
                &'a self,
                prompt: &'a canonical::Prompt,
            ) -> Vec<prompts::Message<'a>> {
                let (mut parts, mut fields) = (self.parts.as_slice(), self.fields.as_slice());
                prompt
                    .messages
                    .iter()
                    .map(|message| {
                        let (own, rest) = parts.split_at(message.parts.len());
                        parts = rest;
                        let (extra, rest) = fields.split_at(message.extra.len());
                        fields = rest;
                        prompts::Message {
                            role: &message.role,
                            parts: own,
                            extra,
                        }
                    })
                    .collect()
            }

            /// The prompt over those lists and messages.
            pub(crate) fn prompt(
                &'a self,
                prompt: &'a canonical::Prompt,
                messages: &'a [prompts::Message<'a>],
            ) -> prompts::Prompt<'a> {
                let own = self.fields.len() - prompt.extra.len();
                prompts::Prompt {
                    operation: prompt.operation.as_str(),
                    model: &prompt.model,
                    messages,
                    tools: &self.tools,
                    sampling: prompts::Sampling {
                        temperature: prompt.sampling.temperature,
                        top_p: prompt.sampling.top_p,
                        n: prompt.sampling.n.unwrap_or(1),
                        max_tokens: prompt.sampling.max_tokens,
                        seed: prompt.sampling.seed,
                    },
                    extra: &self.fields[own..],
                }
            }
        }

        fn part(part: &canonical::Part) -> prompts::Part<'_> {
            match part {
                canonical::Part::Text(text) => prompts::Part::Text(text),
                canonical::Part::ToolCall(call) => prompts::Part::ToolCall(prompts::ToolCall {
                    id: &call.id,
                    name: &call.name,
                    arguments: &call.arguments,
                }),
                canonical::Part::Opaque(opaque) => prompts::Part::Opaque(prompts::OpaquePart {
                    kind: &opaque.kind,
                    json: &opaque.json,
                }),
            }
        }

        fn field(field: &canonical::Field) -> prompts::FieldParam<'_> {
            prompts::FieldParam {
                name: &field.name,
                value: &field.value,
            }
        }

        pub(crate) fn plan(plan: prefix_cache::CachePlanResult) -> Result<CachePlan, PolicyError> {
            let inputs: Result<Vec<_>, _> = plan
                .inputs
                .iter()
                .map(|input| check::digest(input))
                .collect();
            let (digest, inputs) = (check::digest(&plan.digest)?, inputs?);
            let chain: Vec<Block> = plan
                .chain
                .iter()
                .map(|block| Block {
                    hash: block.hash,
                    end: block.end,
                })
                .collect();
            check::chain(&chain)?;
            let field = |field: prompts::FieldResult| canonical::Field {
                name: field.name,
                value: field.value,
            };
            Ok(CachePlan {
                digest,
                scope: match plan.scope {
                    prefix_cache::Scope::Tenant => Scope::Tenant,
                    prefix_cache::Scope::Key => Scope::Key,
                },
                lookup: plan.lookup,
                store: plan.store,
                why: plan.why.map(reason),
                freshness: freshness(plan.freshness),
                chain,
                hints: plan.hints.into_iter().map(field).collect(),
                inputs,
                breakpoints: plan.breakpoints.iter().map(breakpoint).collect(),
            })
        }

        fn breakpoint(point: &prefix_cache::Breakpoint) -> Breakpoint {
            Breakpoint {
                after: match point.after {
                    prefix_cache::Anchor::Tools => Anchor::Tools,
                    prefix_cache::Anchor::Part(at) => Anchor::Part {
                        message: at.message,
                        part: at.part,
                    },
                },
                prefix: point.prefix,
                bytes: point.bytes,
                after_uses: point.after_uses,
                ttl: point.ttl,
            }
        }

        fn reason(reason: types::ReasonResult) -> Reason {
            Reason {
                code: reason.code,
                detail: reason.detail,
            }
        }

        fn freshness(freshness: prefix_cache::Freshness) -> Freshness {
            Freshness {
                ttl: freshness.ttl,
                idle: freshness.idle,
                stale_if_error: freshness.stale_if_error,
            }
        }

        /// What a lowered plan borrows from.
        pub(crate) struct PlanLists<'a> {
            chain: Vec<prefix_cache::Block>,
            hints: Vec<prompts::FieldParam<'a>>,
            inputs: Vec<&'a [u8]>,
            breakpoints: Vec<prefix_cache::Breakpoint>,
        }

        impl<'a> PlanLists<'a> {
            /// The lists of a plan.
            pub(crate) fn of(plan: &'a CachePlan) -> Self {
                let block = |block: &Block| prefix_cache::Block {
                    hash: block.hash,
                    end: block.end,
                };
                Self {
                    chain: plan.chain.iter().map(block).collect(),
                    hints: plan.hints.iter().map(field).collect(),
                    inputs: plan.inputs.iter().map(<[u8; 32]>::as_slice).collect(),
                    breakpoints: plan.breakpoints.iter().map(lowered_breakpoint).collect(),
                }
            }

            /// The plan over those lists.
            pub(crate) fn plan(&'a self, plan: &'a CachePlan) -> prefix_cache::CachePlanParam<'a> {
                prefix_cache::CachePlanParam {
                    digest: &plan.digest,
                    scope: match plan.scope {
                        Scope::Tenant => prefix_cache::Scope::Tenant,
                        Scope::Key => prefix_cache::Scope::Key,
                    },
                    lookup: plan.lookup,
                    store: plan.store,
                    why: plan.why.as_ref().map(|why| types::ReasonParam {
                        code: &why.code,
                        detail: &why.detail,
                    }),
                    freshness: prefix_cache::Freshness {
                        ttl: plan.freshness.ttl,
                        idle: plan.freshness.idle,
                        stale_if_error: plan.freshness.stale_if_error,
                    },
                    chain: &self.chain,
                    hints: &self.hints,
                    inputs: &self.inputs,
                    breakpoints: &self.breakpoints,
                }
            }
        }

        fn lowered_breakpoint(point: &Breakpoint) -> prefix_cache::Breakpoint {
            prefix_cache::Breakpoint {
                after: match point.after {
                    Anchor::Tools => prefix_cache::Anchor::Tools,
                    Anchor::Part { message, part } => {
                        prefix_cache::Anchor::Part(prefix_cache::PartIndex { message, part })
                    }
                },
                prefix: point.prefix,
                bytes: point.bytes,
                after_uses: point.after_uses,
                ttl: point.ttl,
            }
        }

        pub(crate) fn outcome(outcome: &Outcome) -> prefix_cache::Outcome {
            prefix_cache::Outcome {
                ending: match outcome.ending {
                    Ending::Complete => prefix_cache::Ending::Complete,
                    Ending::Length => prefix_cache::Ending::Length,
                    Ending::Truncated => prefix_cache::Ending::Truncated,
                    Ending::Error => prefix_cache::Ending::Error,
                    Ending::Refused => prefix_cache::Ending::Refused,
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
            }
        }

        pub(crate) fn admission(admission: prefix_cache::Admission) -> Admission {
            Admission {
                store: admission.store,
                freshness: freshness(admission.freshness),
                tags: admission.tags,
                why: admission.why.map(reason),
            }
        }
    };
}
