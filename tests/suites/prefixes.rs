//! Which replica gets a prompt, by what each of them says that it holds: hits, restarts, events that
//! never come or can't be read.

use forebay_engine_sim::SimConfig;
use forebay_tests::{Client, Config, Engine, Forebay, Metrics, Relay, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};
use zeromq::{PubSocket, Socket as _, SocketSend as _, ZmqMessage};

/// Tokens of a conversation's beginning, and those that each turn adds.
const BEGINNING: u32 = 320;
const TURN: u32 = 160;
const CONVERSATIONS: u32 = 16;
const TURNS: u32 = 6;

/// A replica with room for about a third of all conversations.
async fn replica() -> Engine {
    Engine::of(SimConfig {
        num_gpu_blocks: 512,
        kv_events: Some("tcp://127.0.0.1:0".to_owned()),
        kv_replay: Some("tcp://127.0.0.1:0".to_owned()),
        ..SimConfig::instant()
    })
    .await
}

/// The tokens of a conversation up to a turn. No two conversations begin alike.
fn prompt(conversation: u32, turn: u32) -> Vec<u32> {
    let tokens = BEGINNING + turn * TURN;
    (0..tokens)
        .map(|place| 1_000 + conversation * 500 + (place * 7 + conversation) % 499)
        .collect()
}

fn completion(tokens: &[u32]) -> Value {
    json!({"model": "forebay-sim", "prompt": tokens, "max_tokens": 2, "temperature": 1})
}

async fn ask(client: &Client, tokens: &[u32]) {
    let reply = client.post("/v1/completions", &completion(tokens)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// `kv_events` of an upstream, with these addresses for its replicas.
fn followed(events: &[String], replay: &[String]) -> String {
    format!("kv_events = {{ endpoint = {events:?}, replay = {replay:?} }}")
}

/// One upstream with these replicas.
fn upstream(urls: &[String], more: &str) -> Config {
    Config::new("").table(&format!(
        "[[upstreams]]\nname = \"engines\"\nurls = {urls:?}\nhealth_path = \"\"\n{more}"
    ))
}

/// What the gateway says of each replica's cache.
async fn known(forebay: &Forebay) -> Vec<(String, String, u64)> {
    let upstreams = forebay.admin_json("/upstreams").await;
    let endpoints = upstreams[0]["endpoints"].as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    endpoints
        .iter()
        .map(|endpoint| {
            (
                text(&endpoint["prefix_state"]),
                text(&endpoint["prefix_why"]),
                endpoint["prefix_blocks"].as_u64().unwrap_or(0),
            )
        })
        .collect()
}

/// Prompts a replica behind the gateway's back until the gateway knows its cache exactly: a
/// subscription takes effect some time after it is made.
async fn until_exact(forebay: &Forebay, url: &str, place: usize) {
    let client = Client::new(url);
    let mut asked = 0;
    eventually("an exactly known replica", || {
        asked += 1;
        let tokens: Vec<u32> = (0..16).map(|token| 60_000 + asked * 16 + token).collect();
        let client = &client;
        async move {
            ask(client, &tokens).await;
            (known(forebay).await[place].0 == "exact").then_some(())
        }
    })
    .await;
}

/// Hits and prompt tokens by an engine's own counters.
async fn counted(engine: &str) -> (f64, f64) {
    let page = Client::new(engine).get("/metrics").await;
    let metrics = Metrics::parse(&page.text());
    (
        metrics.sum("vllm:prefix_cache_hits_total"),
        metrics.sum("vllm:prefix_cache_queries_total"),
    )
}

/// The share of hits of all replicas, in what was asked since `before`.
async fn hit_share(urls: &[String], before: &[(f64, f64)]) -> f64 {
    let (mut hits, mut queries) = (0.0, 0.0);
    for (url, before) in urls.iter().zip(before) {
        let now = counted(url).await;
        hits += now.0 - before.0;
        queries += now.1 - before.1;
    }
    assert!(queries > 0.0);
    hits / queries
}

#[tokio::test]
async fn conversations_hit_as_often_as_one_endless_cache_would_and_more_than_in_turn() {
    // In turn first: the same load on replicas of the same size.
    let in_turn = [
        replica().await,
        replica().await,
        replica().await,
        replica().await,
    ];
    let urls = in_turn.each_ref().map(Engine::url);
    let clients = urls.each_ref().map(|url| Client::new(url));
    let mut asked = 0;
    for turn in 0..TURNS {
        for conversation in 0..CONVERSATIONS {
            // One more after each round, or every conversation would stay where it was.
            ask(
                &clients[(asked + turn as usize) % 4],
                &prompt(conversation, turn),
            )
            .await;
            asked += 1;
        }
    }
    let plain = hit_share(&urls, &[(0.0, 0.0); 4]).await;
    drop(in_turn);

    let engines = [
        replica().await,
        replica().await,
        replica().await,
        replica().await,
    ];
    let urls = engines.each_ref().map(Engine::url);
    let events = engines
        .each_ref()
        .map(|engine| engine.kv_events().to_owned());
    let replay = engines
        .each_ref()
        .map(|engine| engine.kv_replay().to_owned());
    let forebay = Forebay::start(upstream(&urls, &followed(&events, &replay))).await;
    for (place, url) in urls.iter().enumerate() {
        until_exact(&forebay, url, place).await;
    }
    let mut before = Vec::new();
    for url in &urls {
        before.push(counted(url).await);
    }
    for turn in 0..TURNS {
        for conversation in 0..CONVERSATIONS {
            ask(&forebay.client, &prompt(conversation, turn)).await;
        }
    }
    let share = hit_share(&urls, &before).await;
    let (mut endless, mut all) = (0, 0);
    for turn in 0..TURNS {
        all += BEGINNING + turn * TURN;
        endless += turn
            .checked_sub(1)
            .map_or(0, |last| BEGINNING + last * TURN);
    }
    let endless = f64::from(endless) / f64::from(all);
    assert!(share >= 0.9 * endless, "{share:.3} of at most {endless:.3}");
    assert!(share >= 1.5 * plain, "{share:.3}, in turn {plain:.3}");
    let metrics = forebay.metrics().await;
    assert_eq!(
        metrics.sum("forebay_prefix_index_state{state=\"exact\"}"),
        4.0
    );
    assert_eq!(
        metrics.sum("forebay_prefix_index_state{state=\"fallback\"}"),
        0.0
    );
    assert!(metrics.sum("forebay_prefix_index_blocks") > 0.0);
}

/// The part of an address behind `//`.
fn place(address: &str) -> &str {
    address.split("//").nth(1).unwrap()
}

#[tokio::test]
async fn a_replica_that_restarts_at_its_address_is_known_anew_and_nobody_notices() {
    let (stays, mut restarts) = (replica().await, replica().await);
    let web = Relay::start(place(&restarts.url())).await;
    let events = Relay::start(place(restarts.kv_events())).await;
    let replay = Relay::start(place(restarts.kv_replay())).await;
    let urls = [stays.url(), format!("http://{}", web.addr())];
    let tcp = |relay: &Relay| format!("tcp://{}", relay.addr());
    let more = followed(
        &[stays.kv_events().to_owned(), tcp(&events)],
        &[stays.kv_replay().to_owned(), tcp(&replay)],
    );
    let forebay = Forebay::start(upstream(&urls, &more)).await;
    until_exact(&forebay, &urls[0], 0).await;
    until_exact(&forebay, &urls[1], 1).await;
    for conversation in 0..8 {
        ask(&forebay.client, &prompt(conversation, 2)).await;
    }
    eventually("blocks on the second replica", || async {
        (known(&forebay).await[1].2 > 20).then_some(())
    })
    .await;

    // It goes away: its cache is not known exactly any more, and requests are served.
    for relay in [&web, &events, &replay] {
        relay.switch(None);
    }
    drop(restarts);
    eventually("the state without events", || async {
        let (state, why, _) = known(&forebay).await.swap_remove(1);
        (state == "degraded" && why.contains("not reachable")).then_some(())
    })
    .await;
    for conversation in 0..8 {
        ask(&forebay.client, &prompt(conversation, 3)).await;
    }

    // Another process at the same addresses, with nothing in its cache.
    restarts = replica().await;
    web.switch(Some(place(&restarts.url())));
    events.switch(Some(place(restarts.kv_events())));
    replay.switch(Some(place(restarts.kv_replay())));
    let engine = restarts.url();
    until_exact(&forebay, &engine, 1).await;
    let (_, _, blocks) = known(&forebay).await.swap_remove(1);
    let stats = restarts.stats();
    assert!(
        blocks * 16 <= stats.prompt_tokens + 16,
        "{blocks} blocks of an engine that was asked for {} tokens",
        stats.prompt_tokens
    );
    for conversation in 0..8 {
        ask(&forebay.client, &prompt(conversation, 4)).await;
    }
}

#[tokio::test]
async fn peers_that_say_nothing_or_nonsense_show_in_the_state_and_cost_no_request() {
    let engines = [replica().await, replica().await, replica().await];
    let urls = engines.each_ref().map(Engine::url);
    // It accepts, and neither reads nor writes.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("tcp://{}", silent.local_addr().unwrap());
    let mut foreign = PubSocket::new();
    let other = foreign.bind("tcp://127.0.0.1:0").await.unwrap().to_string();
    // The third has the block size of another engine.
    let events = [silent.clone(), other, engines[2].kv_events().to_owned()];
    let replay = [silent.clone(), silent, engines[2].kv_replay().to_owned()];
    let more = followed(&events, &replay).replace(" }", ", block_size = 32 }");
    let forebay = Forebay::start(upstream(&urls, &more)).await;
    let mut number = 0_u64;
    let foreign = tokio::sync::Mutex::new(foreign);
    let states = eventually("the states of three strange replicas", || {
        number += 1;
        // A batch of a version to come: a map where there was an array.
        let mut message = ZmqMessage::from("");
        message.push_back(number.to_be_bytes().to_vec().into());
        message.push_back(b"\x81\xa7version\x09".to_vec().into());
        let (forebay, foreign, url) = (&forebay, &foreign, &urls[2]);
        let tokens: Vec<u32> = (0..32).map(|token| number as u32 * 32 + token).collect();
        async move {
            foreign.lock().await.send(message).await.unwrap();
            ask(&Client::new(url), &tokens).await;
            ask(&forebay.client, &prompt(number as u32 % 9, 1)).await;
            let known = known(forebay).await;
            let said = |place: usize, why: &str| known[place].1.contains(why);
            (said(1, "did not decode") && said(2, "16 tokens, 32 are configured")).then_some(known)
        }
    })
    .await;
    assert_eq!(states[0].1, "no KV events yet");
    assert!(
        states.iter().all(|(state, _, _)| state == "fallback"),
        "{states:?}"
    );
    // Without events a replica is taken to hold what was sent there.
    for turn in 0..4 {
        ask(&forebay.client, &prompt(40, turn)).await;
    }
    let homes: Vec<u64> = engines
        .iter()
        .map(|engine| engine.stats().cached_tokens)
        .collect();
    assert!(homes.iter().any(|cached| *cached > 0), "{homes:?}");
}

#[tokio::test]
async fn a_reload_keeps_what_is_known_and_a_mistake_is_named() {
    let engines = [replica().await, replica().await];
    let urls = engines.each_ref().map(Engine::url);
    let events = engines
        .each_ref()
        .map(|engine| engine.kv_events().to_owned());
    let replay = engines
        .each_ref()
        .map(|engine| engine.kv_replay().to_owned());
    let config = upstream(&urls, &followed(&events, &replay));
    let forebay = Forebay::start(config.clone()).await;
    for (place, url) in urls.iter().enumerate() {
        until_exact(&forebay, url, place).await;
    }
    let before = known(&forebay).await;
    forebay.rewrite(&config.clone().table("[limits]\nbody = \"1 MiB\""));
    forebay.signal(Signal::HUP);
    forebay.metric_reaches("forebay_reloads_total", 1.0).await;
    assert_eq!(known(&forebay).await, before);
    let mistaken = upstream(&urls, &followed(&events[..1], &replay));
    let refusal = Forebay::refuses(mistaken).await;
    assert!(
        refusal.said.contains("1 addresses given for 2 URLs"),
        "{}",
        refusal.said
    );
    // No longer followed: nothing is said of caches any more.
    forebay.rewrite(&upstream(&urls, ""));
    forebay.signal(Signal::HUP);
    eventually("the end of what was known", || async {
        let known = known(&forebay).await;
        let silent = known.iter().all(|(state, _, _)| state.is_empty());
        silent.then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_prompt_is_explained_by_the_running_gateway_and_by_the_configuration_alone() {
    let engines = [replica().await, replica().await];
    let urls = engines.each_ref().map(Engine::url);
    let events = engines
        .each_ref()
        .map(|engine| engine.kv_events().to_owned());
    let replay = engines
        .each_ref()
        .map(|engine| engine.kv_replay().to_owned());
    let forebay = Forebay::start(upstream(&urls, &followed(&events, &replay))).await;
    until_exact(&forebay, &urls[0], 0).await;
    let tokens = prompt(3, 1);
    ask(&Client::new(&urls[0]), &tokens).await;
    let administrator = forebay.administrator();
    let path = "/prefix/explain?path=/v1/completions";
    let said = eventually("the prompt on the first replica", || async {
        let said = administrator.post(path, &completion(&tokens)).await.json();
        (said["upstreams"][0]["workers"][0]["held_tokens"] != 0).then_some(said)
    })
    .await;
    let engine = &said["upstreams"][0];
    let blocks = tokens.len() / 16;
    assert_eq!(engine["compared_in"], "tokens", "{said}");
    assert_eq!(engine["blocks"], blocks, "{said}");
    assert_eq!(engine["prompt_tokens"], tokens.len(), "{said}");
    let workers = engine["workers"].as_array().unwrap();
    let of = |url: &str| workers.iter().find(|worker| worker["url"] == url).unwrap();
    let (first, second) = (of(&urls[0]), of(&urls[1]));
    // The last block is computed always.
    assert_eq!(first["held_tokens"], (blocks - 1) * 16, "{said}");
    assert_eq!(
        (&first["state"], &first["chosen"]),
        (&json!("exact"), &json!(true))
    );
    assert_eq!(
        (&second["held_tokens"], &second["chosen"]),
        (&json!(0), &json!(false))
    );
    let seconds = |worker: &Value, part: &str| worker["seconds"][part].as_f64().unwrap();
    assert!(
        seconds(second, "prefill") > seconds(first, "prefill"),
        "{said}"
    );
    // Nobody waits: a copy would delay nobody, and cost a fifth of its own time.
    let fifth = 0.2 * first["held_tokens"].as_f64().unwrap() / 16_000.0;
    assert!((seconds(second, "copy") - fifth).abs() < 1e-9, "{said}");

    // A command asks the same, or the configuration alone.
    let folder = forebay.folder().to_owned();
    std::fs::write(folder.join("request.json"), completion(&tokens).to_string()).unwrap();
    let explain = |more: &[&str]| {
        let mut command = std::process::Command::new(forebay_tests::binary());
        command
            .current_dir(&folder)
            .args(["prefix", "explain", "request.json"]);
        command.args(["--path", "/v1/completions"]).args(more);
        command.env("FOREBAY_ADMIN_TOKEN", forebay_tests::config::ADMIN_TOKEN);
        command.env(
            "FOREBAY_TEST_ADMIN_TOKEN",
            forebay_tests::config::ADMIN_TOKEN,
        );
        let out = command.output().unwrap();
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(
            out.status.success(),
            "{said}{}",
            String::from_utf8_lossy(&out.stderr)
        );
        said
    };
    let admin = forebay.admin.to_string();
    let live = explain(&["--admin", &admin]);
    assert!(live.contains(&format!("{}*", urls[0])), "{live}");
    let offline = explain(&[]);
    assert!(
        offline.contains(&format!("{blocks} blocks of tokens")),
        "{offline}"
    );
    assert!(
        offline.contains("fallback") && !offline.contains("exact"),
        "{offline}"
    );
    let refused = administrator
        .post("/prefix/explain?path=/v1/models", &json!({}))
        .await;
    assert_eq!(refused.status, 422, "{}", refused.text());
}
