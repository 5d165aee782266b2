//! Ten minutes with six upstreams that fail in every way there is, by a virtual clock and a seed:
//! what could be answered is answered, nothing is lost without an error, and nothing storms.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_gateway::platform::TransportFailure;
use forebay_gateway::state::{MemoryStates, States};
use tokio::time::Instant;

use crate::support::states::StoredStates;
use crate::support::*;

const UPSTREAMS: usize = 6;
const MINUTES: u64 = 10;
const REQUESTS_A_SECOND: u64 = 10;

/// xorshift64*: the same numbers for the same seed, on every platform.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % below
    }
}

/// How an upstream does for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    Well,
    /// One answer in two is a 500, the others are slow.
    BrownOut,
    /// Nothing but 429; in a storm without saying until when.
    RateLimited(Option<u64>),
    /// The first byte takes longer than `timeouts.first_byte`.
    Silent,
    /// Streams break before their first content.
    Cut,
    /// Streams break after their first content, when nobody else can go on with them.
    Torn,
    /// No connection.
    Down,
    /// Answers without content.
    Empty,
}

/// When each mood begins, in milliseconds. The last upstream in each slot of time that would leave
/// nobody well is well.
fn weather(random: &mut Random) -> Vec<BTreeMap<u64, Mood>> {
    let mut skies: Vec<BTreeMap<u64, Mood>> = vec![BTreeMap::new(); UPSTREAMS];
    let slot = 15_000;
    for at in (0..MINUTES * 60_000).step_by(slot) {
        let spared = random.next(UPSTREAMS as u64) as usize;
        for (i, sky) in skies.iter_mut().enumerate() {
            let mood = match random.next(14) {
                _ if i == spared => Mood::Well,
                0 => Mood::BrownOut,
                1 => Mood::RateLimited(Some(5 + random.next(10))),
                2 => Mood::RateLimited(None),
                3 => Mood::Silent,
                4 => Mood::Cut,
                5 => Mood::Down,
                6 => Mood::Empty,
                7 => Mood::Torn,
                _ => Mood::Well,
            };
            sky.insert(at, mood);
        }
    }
    skies
}

async fn play(exchange: Exchange, mood: Mood, dice: u64) {
    let streams = exchange.json()["stream"] == true;
    tokio::time::sleep(Duration::from_millis(20 + dice % 60)).await;
    match mood {
        Mood::Down => exchange.fail(TransportFailure::Connect),
        Mood::BrownOut if dice.is_multiple_of(2) => exchange.whole(500, "{}"),
        Mood::RateLimited(Some(wait)) => {
            let wait = wait.to_string();
            exchange.refuse(429, &[("retry-after", &wait)], "{}");
        }
        Mood::RateLimited(None) => exchange.whole(429, "{}"),
        Mood::Silent if streams => {
            tokio::time::sleep(Duration::from_secs(20)).await;
            exchange.fail(TransportFailure::Reset);
        }
        Mood::Cut if streams => {
            let feed = exchange.stream();
            feed.data(r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"up","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#);
            feed.break_off();
        }
        Mood::Torn if streams => {
            let feed = exchange.stream();
            feed.text("all ");
            tokio::time::sleep(Duration::from_millis(10)).await;
            feed.break_off();
        }
        Mood::Cut | Mood::Torn => exchange.fail(TransportFailure::Reset),
        Mood::Empty if streams => {
            let feed = exchange.stream();
            feed.data(r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"up","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#);
            feed.data("[DONE]");
        }
        Mood::Empty => exchange.whole(
            200,
            r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[]}"#,
        ),
        _ if streams => {
            let slow = mood == Mood::BrownOut;
            tokio::time::sleep(Duration::from_millis(if slow { 900 } else { 50 })).await;
            let feed = exchange.stream();
            for word in ["all ", "is ", "well"] {
                feed.text(word);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            feed.finish();
        }
        _ => exchange.whole(200, completion("all is well")),
    }
}

/// What became of the requests.
#[derive(Debug, Default)]
struct Tally {
    sent: u64,
    answered: u64,
    failed: BTreeMap<String, u64>,
    /// A stream that broke after its first content, and said so.
    torn: u64,
    /// An answer without content, since nobody who was asked had another.
    empty: u64,
    /// Neither an answer nor an error.
    lost: u64,
}

async fn ten_minutes(seed: u64, states: Arc<dyn States>) -> (Tally, u64) {
    let mut random = Random(seed);
    let skies = Arc::new(weather(&mut random));
    let mut builder = RigBuilder {
        upstreams: (0..UPSTREAMS)
            .map(|i| {
                serde_json::json!({"name": format!("u{i}"), "urls": [format!("http://u{i}")],
                "timeouts": {"first_byte": "5s"}})
            })
            .collect(),
        states,
        ..RigBuilder::default()
    };
    builder.config.max_in_flight = 10_000;
    let mut rig = builder.build();
    let mut incoming = rig.take_incoming();
    let began = Instant::now();
    let asked = Arc::new(AtomicU64::new(0));
    let (count, mut dice) = (asked.clone(), Random(seed ^ 0x9E37_79B9));
    tokio::spawn(async move {
        while let Some(exchange) = incoming.recv().await {
            count.fetch_add(1, SeqCst);
            let now = u64::try_from(began.elapsed().as_millis()).unwrap();
            let sky = &skies[exchange.host()[1..].parse::<usize>().unwrap()];
            let mood = *sky.range(..=now).next_back().unwrap().1;
            tokio::spawn(play(exchange, mood, dice.next(1 << 30)));
        }
    });
    let tally = Arc::new(Mutex::new(Tally::default()));
    let mut clients = Vec::new();
    for i in 0..MINUTES * 60 * REQUESTS_A_SECOND {
        let streams = random.next(2) == 0;
        let answer = rig.send(chat(&format!("question {i}"), streams));
        let tally = tally.clone();
        clients.push(tokio::spawn(async move {
            let answer = answer.await.unwrap();
            let status = answer.status();
            let text = rest(answer.into_body()).await;
            let said = if streams {
                content(&text) == "all is well" && text.ends_with("data: [DONE]\n\n")
            } else {
                text.contains("all is well")
            };
            let mut tally = tally.lock().unwrap();
            tally.sent += 1;
            if status == 200 && said {
                tally.answered += 1;
            } else if streams && content(&text) == "all " && text.contains("\"error\"") {
                tally.torn += 1;
            } else if text.contains("\"error\"") {
                *tally
                    .failed
                    .entry(format!("{status} {}", &text[..text.len().min(160)]))
                    .or_default() += 1;
            } else if status == 200
                && (text.contains("\"choices\":[]") || text.ends_with("data: [DONE]\n\n"))
            {
                tally.empty += 1;
            } else {
                tally.lost += 1;
            }
        }));
        tokio::time::sleep(Duration::from_millis(1000 / REQUESTS_A_SECOND)).await;
    }
    for client in clients {
        client.await.unwrap();
    }
    let tally = std::mem::take(&mut *tally.lock().unwrap());
    (tally, asked.load(SeqCst))
}

#[tokio::test(start_paused = true)]
async fn what_could_be_answered_in_ten_bad_minutes_is_answered() {
    // Once with states in this process, and once as a store keeps them that gateways share.
    let stored = Arc::new(StoredStates::default());
    let tiers: [Arc<dyn States>; 2] = [Arc::new(MemoryStates::default()), stored.clone()];
    for (seed, states) in [1, 0xF0_2E_BA_44].into_iter().zip(tiers) {
        let (tally, asked) = ten_minutes(seed, states).await;
        println!("seed {seed}: {tally:?}, {asked} exchanges");
        assert_eq!(tally.lost, 0, "seed {seed}: {tally:?}");
        // In every moment some upstream was well: every request could have been answered, but for
        // those whose stream broke when a part of it was out. They are few: who tears streams
        // rests as who fails otherwise.
        let possible = tally.sent - tally.torn;
        let goodput = tally.answered as f64 / possible as f64;
        let torn = tally.torn as f64 / tally.sent as f64;
        assert!(torn <= 0.01, "seed {seed}: {torn} of {tally:?}");
        assert!(goodput >= 0.995, "seed {seed}: {goodput} of {tally:?}");
        let storm = asked as f64 / tally.sent as f64;
        assert!(storm <= 1.35, "seed {seed}: {storm} exchanges a request");
    }
    let changes = stored.changes.lock().unwrap();
    for (kind, least) in [("rests", 100), ("ejection", 100), ("retries", 6000)] {
        let found = changes.get(kind).copied().unwrap_or_default();
        assert!(found >= least, "{kind}: {changes:?}");
    }
    // One model rests twice at most: what is stored does not grow with what is asked.
    assert!(stored.largest.load(SeqCst) <= 512);
}

#[test]
fn states_in_their_stored_form_do_what_stores_have_to_do() {
    forebay_gateway::state::conforms(&StoredStates::default()).unwrap();
}
