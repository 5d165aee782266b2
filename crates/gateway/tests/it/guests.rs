//! Guests that answer with nonsense: the request fails or goes on, and nothing else happens.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use crate::support::*;

/// A seed that spreads: small numbers make the same first draws.
fn seed(n: u64) -> u64 {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1
}

#[tokio::test(start_paused = true)]
async fn whatever_a_guest_answers_its_client_gets_an_answer_that_is_whole() {
    let mut statuses = std::collections::BTreeMap::new();
    for n in 0..600 {
        let mut builder = RigBuilder::default();
        builder.policies.arbitrary = Some(seed(n));
        let mut rig = builder.build();
        let stream = n % 2 == 0;
        let text = "write to a@b.example about größe";
        let mut sent = rig.send(chat(text, stream));
        let answered = async {
            loop {
                tokio::select! {
                    biased;
                    reply = &mut sent => return reply.unwrap(),
                    exchange = rig.exchange() => match stream {
                        true => {
                            let feed = exchange.stream();
                            feed.text("hello ");
                            feed.text("größe");
                            feed.finish();
                        }
                        false => exchange.whole(200, completion("hello größe")),
                    },
                }
            }
        };
        let reply = tokio::time::timeout(Duration::from_secs(600), answered).await;
        let reply = reply.unwrap_or_else(|_| panic!("guest {n}: no answer"));
        let (status, media) = (
            reply.status().as_u16(),
            reply.headers().get("content-type").cloned(),
        );
        let media = media.unwrap().to_str().unwrap().to_owned();
        let body = tokio::time::timeout(Duration::from_secs(600), rest(reply.into_body())).await;
        let body = body.unwrap_or_else(|_| panic!("guest {n}: no end"));
        if media.starts_with("application/json") {
            let value: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert!(
                value.get("choices").is_some() || value.get("error").is_some(),
                "{n}: {body}"
            );
        } else {
            for line in body.lines().filter(|line| !line.is_empty()) {
                let data = line
                    .strip_prefix("data: ")
                    .unwrap_or_else(|| panic!("{n}: {line:?}"));
                assert!(
                    data == "[DONE]" || serde_json::from_str::<serde_json::Value>(data).is_ok(),
                    "{n}: {data}"
                );
            }
        }
        *statuses.entry(status).or_insert(0) += 1;
    }
    // Some guests happen to say nothing that is wrong.
    assert!(
        statuses.contains_key(&200) && statuses.len() > 2,
        "{statuses:?}"
    );
}
