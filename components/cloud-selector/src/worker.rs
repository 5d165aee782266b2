//! Which of a candidate's workers gets the request: one of the rules of `forebay-routing`, which the
//! simulator compares.

use forebay_routing::{ExpectedCost, Request, Rule, Worker, by_name};

use crate::bindings::exports::forebay::cloud_selector::cloud_selector as wit;
use crate::config::Workers;

/// Tokens of an answer whose length nobody limits: what a chat's answer usually has.
const USUAL_ANSWER: u64 = 300;

/// The place of the worker among the candidate's; none where the host is to choose, where there is
/// no choice, or where no worker is healthy.
///
/// A policy has no randomness. Of workers that cost the same, the first two compete: a host that
/// lists workers in another order for each request spreads them.
pub(crate) fn choose(
    config: &Workers,
    input_tokens: u64,
    output_tokens: u64,
    sharing: u32,
    workers: &[wit::Worker],
) -> Option<u32> {
    if workers.len() < 2 {
        return None;
    }
    let workers: Vec<Worker> = workers.iter().map(worker).collect();
    let request = Request {
        tokens: input_tokens,
        output_tokens: match output_tokens {
            0 => USUAL_ANSWER,
            limit => limit.min(USUAL_ANSWER),
        },
        sharing,
        block_size: BLOCK,
        ..Request::default()
    };
    let place = match config.rule.as_str() {
        "host" => None,
        "forebay" => ExpectedCost {
            lambda: config.lambda,
            hysteresis: config.hysteresis,
            ..ExpectedCost::default()
        }
        .pick(&request, &workers),
        // The name was checked when the configuration was read.
        name => by_name(name).ok()?.pick(&request, &workers),
    };
    place.and_then(|place| u32::try_from(place).ok())
}

/// Tokens in a block, for the rules that count in blocks: vLLM's default.
const BLOCK: u64 = 16;

fn worker(worker: &wit::Worker) -> Worker {
    Worker {
        healthy: worker.healthy,
        in_flight: worker.in_flight,
        queued_tokens: worker.queued_tokens,
        // What is known of it: the prompts that wait.
        active_tokens: worker.queued_tokens,
        prefill_rate: worker.prefill_rate,
        decode_rate: worker.decode_rate,
        held_tokens: worker.held_tokens,
        has_affinity: worker.has_affinity,
        ..Worker::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(id: &str, held_tokens: u64, queued_tokens: u64) -> wit::Worker {
        wit::Worker {
            id: id.to_owned(),
            healthy: true,
            in_flight: 0,
            queued_tokens,
            prefill_rate: 10_000.0,
            decode_rate: 0.0,
            held_tokens,
            index: wit::IndexState::Exact,
            has_affinity: false,
        }
    }

    fn choice(rule: &str, workers: Vec<wit::Worker>) -> Option<u32> {
        let config = Workers {
            rule: rule.to_owned(),
            ..Workers::default()
        };
        choose(&config, 20_000, 0, 0, &workers)
    }

    #[test]
    fn a_holder_is_chosen_until_its_queue_outweighs_the_copy() {
        let rule = "forebay";
        assert_eq!(
            choice(rule, vec![of("a", 0, 0), of("b", 16_000, 0)]),
            Some(1)
        );
        // The copy takes 1.6 s. Where nobody waits, it costs a fifth of that more.
        assert_eq!(
            choice(rule, vec![of("a", 0, 0), of("b", 16_000, 18_000)]),
            Some(1)
        );
        assert_eq!(
            choice(rule, vec![of("a", 0, 0), of("b", 16_000, 20_000)]),
            Some(0)
        );
        // Where others wait 0.5 s, it costs them more.
        assert_eq!(
            choice(rule, vec![of("a", 0, 5_000), of("b", 16_000, 45_000)]),
            Some(1)
        );
        assert_eq!(
            choice(rule, vec![of("a", 0, 5_000), of("b", 16_000, 100_000)]),
            Some(0)
        );
        assert_eq!(
            choice(
                "estimated-ttft",
                vec![of("a", 0, 0), of("b", 16_000, 17_000)]
            ),
            Some(0)
        );
        assert_eq!(
            choice("longest-match", vec![of("a", 0, 0), of("b", 9, 170_000)]),
            Some(1)
        );
    }

    #[test]
    fn an_ill_holder_a_single_worker_and_the_hosts_rule_leave_the_choice() {
        let ill = wit::Worker {
            healthy: false,
            ..of("b", 16_000, 0)
        };
        assert_eq!(choice("forebay", vec![of("a", 0, 0), ill.clone()]), Some(0));
        assert_eq!(choice("forebay", vec![ill.clone(), ill]), None);
        assert_eq!(choice("forebay", vec![of("a", 0, 0)]), None);
        assert_eq!(choice("host", vec![of("a", 0, 0), of("b", 0, 0)]), None);
    }
}
