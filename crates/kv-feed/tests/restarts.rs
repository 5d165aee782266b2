//! An engine that starts anew while nobody listens and has come as far as the old one: only its
//! replay tells.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use forebay_kv_feed::{Source, follow};
use forebay_prefix::ChainSpec;
use forebay_prefix_index::{Index, Naming, State};
use futures_util::StreamExt as _;
use zeromq::{
    PubSocket, RouterSocket, Socket as _, SocketEvent, SocketRecv as _, SocketSend as _, ZmqMessage,
};

/// Batches by their numbers, as an engine keeps them for a replay.
type History = Arc<Mutex<Vec<Vec<u8>>>>;

/// A batch of this moment that stores one block, behind another so that no hash is verified:
/// `[moment, [["BlockStored", [block], 127, [], 16, nil]]]`.
fn batch(moment: f64, block: u8) -> Vec<u8> {
    let mut bytes = vec![0x92, 0xcb];
    bytes.extend_from_slice(&moment.to_be_bytes());
    bytes.extend_from_slice(b"\x91\x96\xabBlockStored\x91");
    bytes.extend_from_slice(&[block, 0x7f, 0x90, 0x10, 0xc0]);
    bytes
}

fn message(parts: impl IntoIterator<Item = Vec<u8>>) -> ZmqMessage {
    let frames: Vec<bytes::Bytes> = parts.into_iter().map(Into::into).collect();
    frames.try_into().unwrap()
}

/// Answers questions for batches from a number on.
async fn replay(mut socket: RouterSocket, history: History) {
    while let Ok(question) = socket.recv().await {
        let frames = question.into_vec();
        let peer = frames[0].to_vec();
        let from = u64::from_be_bytes(frames[2][..].try_into().unwrap());
        let kept = history.lock().unwrap().clone();
        let kept = (0_u64..).zip(kept).skip(from as usize);
        for (number, batch) in kept.chain([(u64::MAX, Vec::new())]) {
            let number = number.to_be_bytes().to_vec();
            let answer = message([peer.clone(), Vec::new(), number, batch]);
            socket.send(answer).await.unwrap();
        }
    }
}

/// The blocks below 10 that the one worker holds, and its state.
fn known(index: &RwLock<Index>) -> (Vec<u64>, State) {
    let index = index.read().unwrap();
    let mut held = Vec::new();
    let holds = |block: &u64| {
        index.lookup(&[*block], Duration::ZERO, &mut held);
        held == [1]
    };
    let blocks = (0..10).filter(holds).collect();
    let (_, worker) = one_worker();
    (blocks, index.state(worker).0)
}

fn one_worker() -> (Index, forebay_prefix_index::WorkerId) {
    let mut index = Index::new(Naming::Engine(ChainSpec::default()));
    let worker = index.add_worker(None).unwrap();
    (index, worker)
}

/// Publishes a batch until the index says what it must: what is sent before a subscription is lost,
/// and what is sent twice is taken once.
async fn until(
    events: &mut PubSocket,
    (number, batch): (u64, &[u8]),
    index: &RwLock<Index>,
    expected: &(Vec<u64>, State),
) {
    for _ in 0..1_000 {
        let number = number.to_be_bytes().to_vec();
        let sent = message([Vec::new(), number, batch.to_vec()]);
        events.send(sent).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        if known(index) == *expected {
            return;
        }
    }
    panic!("{:?} where {expected:?} was expected", known(index));
}

#[tokio::test]
async fn an_engine_that_restarted_unheard_and_reached_the_expected_number_is_told_from_the_old_one()
{
    let mut events = PubSocket::new();
    let address = events.bind("tcp://127.0.0.1:0").await.unwrap().to_string();
    let mut replays = RouterSocket::new();
    let replay_address = replays.bind("tcp://127.0.0.1:0").await.unwrap().to_string();
    let first = [batch(1.0, 1), batch(2.0, 2)];
    let history: History = Arc::new(Mutex::new(first.to_vec()));
    let answering = tokio::spawn(replay(replays, Arc::clone(&history)));
    let mut connections = events.monitor();
    let (index, worker) = one_worker();
    let index = Arc::new(RwLock::new(index));
    let source = Source {
        events: address,
        replay: Some(replay_address),
        topic: String::new(),
        idle: Duration::from_millis(200),
    };
    let following = tokio::spawn(follow(source, Arc::clone(&index), worker));
    until(
        &mut events,
        (0, &first[0]),
        &index,
        &(vec![1], State::Exact),
    )
    .await;
    until(
        &mut events,
        (1, &first[1]),
        &index,
        &(vec![1, 2], State::Exact),
    )
    .await;

    // It is silent until the connection is made anew; meanwhile another engine takes its place.
    let second = [batch(101.0, 5), batch(102.0, 6), batch(103.0, 7)];
    *history.lock().unwrap() = second.to_vec();
    let mut accepted = 0;
    while accepted < 2 {
        let event = tokio::time::timeout(Duration::from_secs(30), connections.next()).await;
        accepted += u8::from(matches!(event.unwrap().unwrap(), SocketEvent::Accepted(..)));
    }
    until(
        &mut events,
        (2, &second[2]),
        &index,
        &(vec![5, 6, 7], State::Exact),
    )
    .await;
    following.abort();
    answering.abort();
}
