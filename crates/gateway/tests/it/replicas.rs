//! Which replica of an upstream gets a prompt.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::collections::BTreeSet;

use crate::support::*;

fn replicas() -> Rig {
    let urls = ["http://a", "http://b", "http://c", "http://d"];
    RigBuilder {
        upstreams: vec![serde_json::json!({"name": "engines", "urls": urls})],
        ..RigBuilder::default()
    }
    .build()
}

/// What a conversation says up to a turn.
fn turn(conversation: usize, turn: usize) -> String {
    (0..=turn)
        .map(|turn| {
            format!(
                "conversation {conversation}, turn {turn}: {}",
                "so it went on ".repeat(40)
            )
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn conversations_that_begin_together_spread_and_each_stays_at_its_replica() {
    let mut rig = replicas();
    let mut begun = Vec::new();
    for conversation in 0..16 {
        let answer = rig.send(chat(&turn(conversation, 0), false));
        begun.push((answer, rig.exchange().await));
    }
    let mut homes = Vec::new();
    for (answer, exchange) in begun {
        homes.push(exchange.host().to_owned());
        exchange.whole(200, completion("well"));
        assert_eq!(answer.await.unwrap().status(), 200);
    }
    assert_eq!(homes.iter().collect::<BTreeSet<_>>().len(), 4, "{homes:?}");
    for number in 1..5 {
        for (conversation, home) in homes.iter().enumerate() {
            let answer = rig.send(chat(&turn(conversation, number), false));
            let exchange = rig.exchange().await;
            assert_eq!(exchange.host(), home, "conversation {conversation}");
            exchange.whole(200, completion("well"));
            assert_eq!(answer.await.unwrap().status(), 200);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_whose_queue_outweighs_the_copy_is_left() {
    let mut rig = replicas();
    let first = rig.send(chat(&turn(1, 0), false));
    let exchange = rig.exchange().await;
    let home = exchange.host().to_owned();
    exchange.whole(200, completion("well"));
    first.await.unwrap();
    // The same beginning again and again with much that is new, and no answer.
    let mut waiting = Vec::new();
    let mut hosts = BTreeSet::new();
    for number in 0..12 {
        let text = format!("{}{number}{}", turn(1, 0), "new words ".repeat(3_000));
        let answer = rig.send(chat(&text, false));
        let exchange = rig.exchange().await;
        hosts.insert(exchange.host().to_owned());
        waiting.push((answer, exchange));
    }
    assert!(hosts.contains(&home));
    assert!(hosts.len() > 1, "{hosts:?}");
    for (answer, exchange) in waiting {
        exchange.whole(200, completion("well"));
        assert_eq!(answer.await.unwrap().status(), 200);
    }
    // Nothing waits any more: the conversation is back at its first replica or at a copy.
    let answer = rig.send(chat(&turn(1, 1), false));
    let exchange = rig.exchange().await;
    assert!(hosts.contains(exchange.host()));
    exchange.whole(200, completion("well"));
    answer.await.unwrap();
}

/// The data-parallel rank that a request names.
fn rank(exchange: &Exchange) -> String {
    let rank = exchange.request.headers().get("x-data-parallel-rank");
    rank.expect("a rank is named").to_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_data_parallel_ranks_of_an_engine_are_chosen_like_replicas() {
    let mut rig = RigBuilder {
        upstreams: vec![
            serde_json::json!({"name": "engines", "urls": ["http://a", "http://b"], "data_parallel": 2}),
        ],
        ..RigBuilder::default()
    }
    .build();
    let mut begun = Vec::new();
    for conversation in 0..16 {
        // Which rank computes is not the client's choice.
        let request = chat(&turn(conversation, 0), false).header("x-data-parallel-rank", "7");
        let answer = rig.send(request);
        begun.push((answer, rig.exchange().await));
    }
    let mut homes = Vec::new();
    for (answer, exchange) in begun {
        homes.push((exchange.host().to_owned(), rank(&exchange)));
        exchange.whole(200, completion("well"));
        assert_eq!(answer.await.unwrap().status(), 200);
    }
    let places: BTreeSet<_> = homes.iter().cloned().collect();
    assert_eq!(places.len(), 4, "{places:?}");
    assert!(places.iter().all(|(_, rank)| rank == "0" || rank == "1"));
    for (conversation, home) in homes.iter().enumerate() {
        let answer = rig.send(chat(&turn(conversation, 1), false));
        let exchange = rig.exchange().await;
        assert_eq!((exchange.host().to_owned(), rank(&exchange)), *home);
        exchange.whole(200, completion("well"));
        assert_eq!(answer.await.unwrap().status(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_of_one_rank_is_not_told_any() {
    let mut rig = replicas();
    let answer = rig.send(chat("hi", false).header("x-data-parallel-rank", "7"));
    let exchange = rig.exchange().await;
    assert!(
        !exchange
            .request
            .headers()
            .contains_key("x-data-parallel-rank")
    );
    exchange.whole(200, completion("well"));
    assert_eq!(answer.await.unwrap().status(), 200);
}

/// Four replicas that a rule chooses between.
fn routed_by(rule: &str) -> Rig {
    let urls = ["http://a", "http://b", "http://c", "http://d"];
    RigBuilder {
        upstreams: vec![serde_json::json!({"name": "engines", "urls": urls, "routing": rule})],
        ..RigBuilder::default()
    }
    .build()
}

/// Sends a prompt and answers it; the replica that got it.
async fn served(rig: &mut Rig, text: &str) -> String {
    let answer = rig.send(chat(text, false));
    let exchange = rig.exchange().await;
    let host = exchange.host().to_owned();
    exchange.whole(200, completion("well"));
    assert_eq!(answer.await.unwrap().status(), 200);
    host
}

#[tokio::test(start_paused = true)]
async fn every_rule_can_be_configured_by_its_name() {
    for rule in forebay_routing::NAMES {
        let mut rig = routed_by(rule);
        for number in 0..6 {
            let host = served(&mut rig, &turn(number, 0)).await;
            assert!(["a", "b", "c", "d"].contains(&&*host), "{rule}: {host}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn round_robin_takes_turns_whatever_is_cached() {
    let mut rig = routed_by("round-robin");
    for round in 0..3 {
        for host in ["a", "b", "c", "d"] {
            // Not the same prompt: that would be answered from the cache.
            let text = format!("{}{round}{host}", turn(1, 4));
            assert_eq!(served(&mut rig, &text).await, host);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn hashing_keeps_a_beginning_at_its_replica_until_that_has_more_than_its_share() {
    let mut rig = routed_by("bounded-load-hashing");
    let mut homes = BTreeSet::new();
    for conversation in 0..12 {
        let home = served(&mut rig, &turn(conversation, 5)).await;
        for number in 6..9 {
            let text = turn(conversation, number);
            assert_eq!(served(&mut rig, &text).await, home, "{conversation}");
        }
        homes.insert(home);
    }
    assert_eq!(homes.len(), 4, "{homes:?}");
    // No answer comes: what begins alike goes to the next replica on the ring.
    let mut waiting = Vec::new();
    let mut hosts = BTreeSet::new();
    for number in 0..8 {
        let answer = rig.send(chat(&format!("{}{number}", turn(1, 5)), false));
        let exchange = rig.exchange().await;
        hosts.insert(exchange.host().to_owned());
        waiting.push((answer, exchange));
    }
    assert!(hosts.len() > 1, "{hosts:?}");
}
