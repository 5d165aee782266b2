//! The cloud selector: candidates and demands as it sees them; rankings as the gateway does.

/// Converts for one set of bindings of the cloud selector: the modules of `forebay:types/types` and
/// of `forebay:cloud-selector/cloud-selector`. Functions become items of the module that calls it.
#[macro_export]
macro_rules! cloud_selector {
    ($types:path, $selector:path) => {
        use $selector as selector;
        use $types as types;

        use $crate::canonical::Needs;
        use $crate::check;
        use $crate::gateway::{
            Caller, Candidate, Choice, Demand, IndexState, PolicyError, Ranking, Reason, Worker,
        };

        pub(crate) fn caller(caller: &Caller) -> types::Caller<'_> {
            types::Caller {
                tenant: &caller.tenant,
                key: &caller.key,
                route: caller.route,
            }
        }

        pub(crate) fn demand<'a>(
            demand: &'a Demand,
            residency: &'a [&'a str],
        ) -> selector::Demand<'a> {
            selector::Demand {
                model: &demand.model,
                input_tokens: demand.input_tokens,
                output_tokens: demand.output_tokens,
                needs: capabilities(demand.needs),
                residency,
                budget_micro_usd: demand.budget_micro_usd,
                deadline_ms: demand.deadline_ms,
            }
        }

        /// The workers of each candidate, which lowered candidates borrow.
        pub(crate) fn workers(candidates: &[Candidate]) -> Vec<Vec<selector::Worker<'_>>> {
            candidates
                .iter()
                .map(|candidate| candidate.workers.iter().map(worker).collect())
                .collect()
        }

        fn worker(worker: &Worker) -> selector::Worker<'_> {
            selector::Worker {
                id: &worker.id,
                healthy: worker.healthy,
                in_flight: worker.in_flight,
                queued_tokens: worker.queued_tokens,
                prefill_rate: worker.prefill_rate,
                decode_rate: worker.decode_rate,
                held_tokens: worker.held_tokens,
                index: match worker.index {
                    IndexState::Exact => selector::IndexState::Exact,
                    IndexState::Degraded => selector::IndexState::Degraded,
                    IndexState::Fallback => selector::IndexState::Fallback,
                },
                has_affinity: worker.has_affinity,
            }
        }

        pub(crate) fn candidate<'a>(
            candidate: &'a Candidate,
            workers: &'a [selector::Worker<'a>],
        ) -> selector::Candidate<'a> {
            selector::Candidate {
                name: &candidate.name,
                region: &candidate.region,
                jurisdiction: &candidate.jurisdiction,
                healthy: candidate.healthy,
                capabilities: capabilities(candidate.capabilities),
                context_tokens: candidate.context_tokens,
                price: candidate.price.map(|price| selector::Price {
                    input: price.input,
                    cached_input: price.cached_input,
                    output: price.output,
                }),
                ttft_ms: candidate.ttft_ms,
                tokens_per_second: candidate.tokens_per_second,
                in_flight: candidate.in_flight,
                capacity: candidate.capacity,
                warm_tokens: candidate.warm_tokens,
                sharing: candidate.sharing,
                order: candidate.order,
                workers,
            }
        }

        fn capabilities(needs: Needs) -> selector::Capabilities {
            use selector::Capabilities as C;
            [
                (needs.streaming, C::STREAMING),
                (needs.tools, C::TOOLS),
                (needs.json_schema, C::JSON_SCHEMA),
                (needs.vision, C::VISION),
                (needs.audio, C::AUDIO),
                (needs.logprobs, C::LOGPROBS),
                (needs.multiple_choices, C::MULTIPLE_CHOICES),
                (needs.token_ids, C::TOKEN_IDS),
            ]
            .into_iter()
            .filter(|(needed, _)| *needed)
            .fold(C::empty(), |all, (_, one)| all | one)
        }

        pub(crate) fn ranking(
            ranking: selector::Ranking,
            all: &[Candidate],
        ) -> Result<Ranking, PolicyError> {
            let choice = |choice: selector::Choice| Choice {
                candidate: choice.candidate,
                score: choice.score,
                parts: choice
                    .parts
                    .into_iter()
                    .map(|part| (part.name, part.value))
                    .collect(),
                cost_micro_usd: choice.cost_micro_usd,
                worker: choice.worker,
            };
            let excluded = ranking.excluded.into_iter();
            let ranking = Ranking {
                order: ranking.order.into_iter().map(choice).collect(),
                excluded: excluded
                    .map(|exclusion| (exclusion.candidate, reason(exclusion.why)))
                    .collect(),
            };
            check::ranking(&ranking, all)?;
            Ok(ranking)
        }

        fn reason(reason: types::ReasonResult) -> Reason {
            Reason {
                code: reason.code,
                detail: reason.detail,
            }
        }
    };
}
