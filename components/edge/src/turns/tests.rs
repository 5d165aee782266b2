use super::*;
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};

fn names(turn: &Turn) -> Vec<String> {
    let name = |effect: &Effect| match effect {
        Effect::Read(id) => format!("read {id}"),
        Effect::Cancel(id) => format!("cancel {id}"),
        Effect::Get(id, key) => format!("get {id} {key}"),
        Effect::Chunk(bytes) => format!("chunk {}", String::from_utf8_lossy(bytes)),
        Effect::End => "end".to_owned(),
        other => format!("{other:?}"),
    };
    turn.effects.iter().map(name).collect()
}

#[test]
fn a_piece_is_written_only_when_the_client_has_room() {
    let mut turns = Turns::new(|wires| async move {
        let mut body = wires.body(REQUEST);
        while let Some(Ok(piece)) = body.next().await {
            wires.write(piece).await;
        }
        wires.emit(Effect::End);
    });
    assert_eq!(names(&turns.step([])), ["read 0"]);
    let piece = |text: &'static str| Happening::Piece(0, Ok(Some(text.into())));
    assert_eq!(names(&turns.step([piece("a")])), ["chunk a"]);
    assert_eq!(
        names(&turns.step([])),
        [""; 0],
        "nothing before it is taken"
    );
    assert_eq!(names(&turns.step([Happening::Taken])), ["read 0"]);
    let last = turns.step([Happening::Piece(0, Ok(None))]);
    assert_eq!(names(&last), ["end"]);
    assert!(last.done);
}

#[test]
fn what_nobody_waits_for_is_cancelled_once() {
    let mut turns = Turns::new(|wires| async move {
        let slow = wires.ask(|id| Effect::Get(id, "key".to_owned()));
        let timer = wires.sleep(Duration::ZERO);
        assert!(matches!(select(slow, timer).await, Either::Right(_)));
        drop(wires.body(7));
    });
    let turn = turns.step([]);
    assert_eq!(names(&turn), ["get 1 key", "cancel 1", "cancel 7"]);
    assert!(turn.done, "a late answer finds nobody");
    assert!(turns.step([Happening::Got(1, Ok(None))]).effects.is_empty());
}

#[test]
fn a_client_that_left_ends_the_main_task_and_no_other() {
    let mut turns = Turns::new(|wires| async move {
        let answer = wires.ask(|id| Effect::Get(id, "late".to_owned()));
        wires.spawn(async move {
            answer.await;
        });
        let never = wires.body(9);
        wires.while_wanted(never.into_future()).await;
    });
    let turn = turns.step([]);
    assert!(!turn.done && turn.wake.is_none());
    assert_eq!(names(&turn), ["get 1 late", "read 9"]);
    let turn = turns.step([Happening::Gone]);
    assert_eq!(names(&turn), ["cancel 9"]);
    assert!(!turn.done, "the spawned task goes on");
    assert!(turns.step([Happening::Got(1, Ok(None))]).done);
}

#[test]
fn the_next_alarm_is_told_and_dropped_timers_leave_none() {
    let mut turns = Turns::new(|wires| async move {
        drop(wires.sleep(Duration::from_secs(1)));
        let long = wires.sleep(Duration::from_secs(100));
        let mut first = Box::pin(wires.sleep(Duration::from_secs(50)));
        select(&mut first, std::future::ready(())).await;
        drop(first);
        long.await;
    });
    let wake = turns.step([]).wake.expect("it sleeps");
    assert!(wake > Duration::from_secs(90), "{wake:?}");
}

#[test]
fn what_is_told_of_a_body_before_it_is_asked_for_is_kept_in_order() {
    let mut turns = Turns::new(|wires| async move {
        let mut body = wires.body(7);
        let mut whole = wires.body(REQUEST);
        let first = whole.next().await;
        assert_eq!(first, Some(Ok("all of it".into())));
        drop(wires.sleep(Duration::ZERO));
        let pieces: Vec<_> = body.by_ref().collect().await;
        assert_eq!(pieces, [Ok(Bytes::from("a"))]);
        assert_eq!(whole.next().await, None);
    });
    let piece = |id, text: &'static str| Happening::Piece(id, Ok(Some(text.into())));
    let begun = turns.step([piece(REQUEST, "all of it")]);
    assert_eq!(names(&begun), ["read 7"], "what is there is not asked for");
    let turn = turns.step([piece(7, "a"), Happening::Piece(7, Ok(None))]);
    assert_eq!(names(&turn), ["read 0"], "its end came with it");
    assert!(turns.step([Happening::Piece(REQUEST, Ok(None))]).done);
}

#[test]
fn no_more_of_a_body_is_kept_unasked_than_a_whole_and_its_end() {
    let mut turns = Turns::new(|wires| async move {
        wires.ask(|id| Effect::Get(id, "key".to_owned())).await;
        let read = wires.body(REQUEST).take(2).collect::<Vec<_>>().await;
        assert_eq!(read, [Ok(Bytes::from("1")), Ok(Bytes::from("2"))]);
        wires.body(REQUEST).next().await;
    });
    let piece = |text: &'static str| Happening::Piece(REQUEST, Ok(Some(text.into())));
    turns.step([piece("1"), piece("2"), piece("3")]);
    let turn = turns.step([Happening::Got(1, Ok(None))]);
    assert_eq!(names(&turn), ["read 0"]);
}

#[test]
fn a_turns_clocks_are_those_it_was_told() {
    let told = (
        Instant::now() + Duration::from_secs(50),
        SystemTime::UNIX_EPOCH + Duration::from_secs(7),
    );
    let mut turns = Turns::new(move |wires| async move {
        assert_eq!((wires.now(), wires.wall()), told);
        wires.sleep(Duration::from_secs(100)).await;
        wires.emit(Effect::End);
    });
    assert_eq!(turns.step_at(told, []).wake, Some(Duration::from_secs(100)));
    let later = |seconds| (told.0 + Duration::from_secs(seconds), told.1);
    assert_eq!(
        turns.step_at(later(99), []).wake,
        Some(Duration::from_secs(1))
    );
    assert_eq!(names(&turns.step_at(later(100), [])), ["end"]);
}
