//! The feed against simulated engines that publish over real sockets.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::sync::{Arc, RwLock};
use std::time::Duration;

use forebay_engine_sim::{SimConfig, SimHandle, spawn};
use forebay_kv_feed::{Source, follow};
use forebay_prefix::ChainSpec;
use forebay_prefix_index::{Index, Naming, PromptKeys, State, Why, WorkerId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;

struct Follower {
    index: Arc<RwLock<Index>>,
    worker: WorkerId,
    task: JoinHandle<()>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn follower(sim: &SimHandle, replay: bool) -> Follower {
    let mut index = Index::new(Naming::Engine(ChainSpec::default()));
    let worker = index.add_worker(None).unwrap();
    let index = Arc::new(RwLock::new(index));
    let source = Source {
        events: sim.kv_events().unwrap().to_owned(),
        replay: sim.kv_replay().filter(|_| replay).map(str::to_owned),
        topic: String::new(),
        // Engines here restart in the same process, where connections outlive them.
        idle: Duration::from_millis(300),
    };
    let task = tokio::spawn(follow(source, Arc::clone(&index), worker));
    Follower {
        index,
        worker,
        task,
    }
}

impl Follower {
    fn held(&self, tokens: &[u32]) -> u32 {
        let index = self.index.read().unwrap();
        let chain = index.naming().chain(tokens, &PromptKeys::default());
        let mut held = Vec::new();
        index.lookup(&chain, Duration::ZERO, &mut held);
        held[self.worker.index()]
    }

    fn state(&self) -> (State, Option<Why>) {
        let index = self.index.read().unwrap();
        let (state, why) = index.state(self.worker);
        (state, why.cloned())
    }

    /// Prompts the engine until the index says what it must: a subscription takes effect some time
    /// after it is made.
    async fn until(&self, sim: &SimHandle, what: impl Fn(&Self) -> bool) {
        for turn in 0..500 {
            prompt(sim, &tokens(2_000 + turn, 16)).await;
            for _ in 0..10 {
                if what(self) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        panic!("it never came: {:?}", self.state());
    }
}

fn tokens(seed: u32, count: u32) -> Vec<u32> {
    // Within the vocabulary for seeds below 4,000.
    (0..count).map(|place| seed * 20 + place % 50).collect()
}

async fn engine(kv_events: &str) -> SimHandle {
    spawn(SimConfig {
        kv_events: Some(kv_events.to_owned()),
        kv_replay: Some("tcp://127.0.0.1:0".to_owned()),
        ..SimConfig::instant()
    })
    .await
    .unwrap()
}

async fn prompt(sim: &SimHandle, tokens: &[u32]) {
    let body = format!("{{\"model\":\"forebay-sim\",\"prompt\":{tokens:?},\"max_tokens\":1}}");
    let request = format!(
        "POST /v1/completions HTTP/1.1\r\nhost: sim\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = tokio::net::TcpStream::connect(sim.addr()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_late_joiner_learns_everything_from_the_replay() {
    let sim = engine("tcp://127.0.0.1:0").await;
    let early = tokens(1, 160);
    prompt(&sim, &early).await;
    let follower = follower(&sim, true);
    follower
        .until(&sim, |one| one.state().0 == State::Exact)
        .await;
    assert_eq!(follower.held(&early), 10);
    assert_eq!(follower.state(), (State::Exact, None));
}

#[tokio::test]
async fn without_a_replay_a_late_joiner_is_degraded_and_knows_what_came_after() {
    let sim = engine("tcp://127.0.0.1:0").await;
    let early = tokens(1, 160);
    prompt(&sim, &early).await;
    let follower = follower(&sim, false);
    follower
        .until(&sim, |one| one.state().0 == State::Degraded)
        .await;
    assert!(
        matches!(follower.state().1, Some(Why::LateJoin { .. })),
        "{:?}",
        follower.state()
    );
    assert_eq!(follower.held(&early), 0);
    let later = tokens(2, 160);
    prompt(&sim, &later).await;
    follower.until(&sim, |one| one.held(&later) == 10).await;
}

#[tokio::test]
async fn a_peer_that_is_no_engine_leaves_the_worker_in_fallback() {
    // It accepts and never says a word.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut index = Index::new(Naming::Engine(ChainSpec::default()));
    let worker = index.add_worker(None).unwrap();
    let index = Arc::new(RwLock::new(index));
    let source = Source {
        events: format!("tcp://{}", silent.local_addr().unwrap()),
        replay: None,
        topic: String::new(),
        // Engines here restart in the same process, where connections outlive them.
        idle: Duration::from_millis(300),
    };
    let task = tokio::spawn(follow(source, Arc::clone(&index), worker));
    let (mut peer, _) = silent.accept().await.unwrap();
    peer.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        .await
        .unwrap();
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), peer.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "the connection is given up");
    assert!(!task.is_finished());
    assert_eq!(index.read().unwrap().state(worker).0, State::Fallback);
    task.abort();
}
