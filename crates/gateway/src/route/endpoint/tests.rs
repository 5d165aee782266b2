//! Who is asked, who rests, who is ejected and comes back.

use super::*;

fn retries(eject_after: u32) -> Retries {
    Retries {
        eject_after,
        ..Retries::default()
    }
}

fn seen(key: u64, prompt: u64) -> Evidence {
    Evidence { key, prompt }
}

#[test]
fn a_place_is_free_once_the_answer_is_whole_and_counted_once() {
    let replica = Arc::new(Replica::new("http://a"));
    let now = Instant::now();
    let mut lease = Lease::new(&replica, 1, now);
    lease.waits_for(7, true, now);
    lease.carries(9);
    assert_eq!((replica.in_flight(), replica.queued_tokens(now)), (1, 7));
    lease.begun(None);
    assert_eq!(
        (replica.queued_tokens(now), replica.active_tokens()),
        (0, 9)
    );
    lease.end(None);
    lease.end(None);
    assert_eq!((replica.in_flight(), replica.active_tokens()), (0, 0));
    drop(lease);
    assert_eq!(replica.in_flight(), 0);
}

#[test]
fn what_a_replica_has_probably_computed_waits_no_longer() {
    let (replica, sent) = (Arc::new(Replica::new("http://a")), Instant::now());
    let after = |ms| sent + Duration::from_millis(ms);
    let mut first = Lease::new(&replica, 1, sent);
    first.waits_for(10_000, true, sent);
    first.first_token(sent, || after(1_000));
    // 10,000 tokens a second, as was just measured.
    let mut second = Lease::new(&replica, 1, after(1_000));
    second.waits_for(8_000, true, after(1_000));
    let mut third = Lease::new(&replica, 1, after(1_200));
    third.waits_for(2_000, true, after(1_200));
    assert_eq!(replica.queued_tokens(after(1_500)), 5_000);
    // It takes longer than expected. The third waits all the same.
    assert_eq!(replica.queued_tokens(after(9_000)), 2_000);
    // The second took a second for 8,000 tokens, which is a tenth of the average.
    second.first_token(after(1_000), || after(2_000));
    assert!((replica.prefill.get() - 9_800.0).abs() < 1e-6);
    assert_eq!(replica.queued_tokens(after(2_100)), 1_020);
    drop(third);
    assert_eq!(replica.queued_tokens(after(2_100)), 0);
}

#[test]
fn failures_eject_a_replica_and_one_trial_at_a_time_brings_it_back() {
    let (endpoint, now) = (Arc::new(Replica::new("http://a")), Instant::now());
    let retries = retries(2);
    assert!(!endpoint.failed(Blame::Transport, seen(1, 1), &retries, now));
    assert!(endpoint.failed(Blame::Transport, seen(1, 1), &retries, now));
    let ejection = endpoint.ejection(now).unwrap();
    assert_eq!((ejection.broken, ejection.errors), (2, 0));
    assert_eq!(ejection.pause, retries.eject_for.0);
    let later = now + retries.eject_for.0;
    assert_eq!(endpoint.standing("m", now), Standing::Ejected(later));
    assert_eq!(endpoint.standing("m", later), Standing::Trial);
    let trial = Lease::new(&endpoint, 1, later);
    assert_eq!(endpoint.standing("m", later), Standing::Ejected(later));
    drop(trial);
    assert_eq!(endpoint.standing("m", later), Standing::Trial);
    assert!(endpoint.succeeded(later));
    assert_eq!(endpoint.standing("m", later), Standing::Good);
}

#[test]
fn a_failed_trial_ejects_for_twice_as_long() {
    let (endpoint, now) = (Arc::new(Replica::new("http://a")), Instant::now());
    let retries = retries(1);
    endpoint.failed(Blame::Transport, seen(1, 1), &retries, now);
    let later = now + retries.eject_for.0;
    let _trial = Lease::new(&endpoint, 1, later);
    assert!(endpoint.failed(Blame::Answer, seen(1, 2), &retries, later));
    let until = later + retries.eject_for.0 * 2;
    assert_eq!(endpoint.standing("m", later), Standing::Ejected(until));
}

#[test]
fn one_prompt_or_one_key_among_several_ejects_nobody() {
    let (endpoint, now) = (Arc::new(Replica::new("http://a")), Instant::now());
    let retries = retries(3);
    for _ in 0..10 {
        assert!(!endpoint.failed(Blame::Answer, seen(1, 1), &retries, now));
    }
    let _other = Lease::new(&endpoint, 2, now);
    let _own = Lease::new(&endpoint, 1, now);
    for prompt in 2..100 {
        assert!(!endpoint.failed(Blame::Answer, seen(1, prompt), &retries, now));
    }
    assert!(endpoint.failed(Blame::Answer, seen(2, 1), &retries, now));
}

#[test]
fn the_only_user_of_a_replica_is_believed() {
    let (endpoint, now) = (Arc::new(Replica::new("http://a")), Instant::now());
    let _own = Lease::new(&endpoint, 1, now);
    let ejected: Vec<bool> = (0..3)
        .map(|prompt| endpoint.failed(Blame::Answer, seen(1, prompt), &retries(3), now))
        .collect();
    assert_eq!(ejected, [false, false, true]);
}

#[test]
fn a_model_rests_and_the_others_go_on() {
    let (endpoint, now) = (Replica::new("http://a"), Instant::now());
    let until = now + Duration::from_secs(30);
    endpoint.rest("m", until, true, now);
    assert_eq!(endpoint.standing("m", now), Standing::Resting(until));
    assert_eq!(endpoint.standing("n", now), Standing::Good);
    assert_eq!(endpoint.standing("m", until), Standing::Good);
}

#[test]
fn a_long_rest_is_told_in_full_and_tried_now_and_then() {
    let (endpoint, now) = (Replica::new("http://a"), Instant::now());
    let after = |seconds| now + Duration::from_secs(seconds);
    endpoint.rest("m", after(7200), true, now);
    let resting = Standing::Resting(after(7200));
    assert_eq!(endpoint.standing("m", after(599)), resting);
    assert_eq!(
        endpoint.standing("m", after(600)),
        Standing::Shy(after(7200))
    );
    endpoint.rest("m", after(7200), true, after(601));
    assert_eq!(endpoint.standing("m", after(1200)), resting);
    assert_eq!(endpoint.standing("m", after(7200)), Standing::Good);
}

#[test]
fn a_later_word_shortens_no_rest() {
    let (endpoint, now) = (Replica::new("http://a"), Instant::now());
    let after = |seconds| now + Duration::from_secs(seconds);
    let rest = |seconds, told| endpoint.rest("m", after(seconds), told, now);
    rest(30, true);
    rest(1, false);
    assert_eq!(endpoint.standing("m", now), Standing::Resting(after(30)));
    rest(2, true);
    assert_eq!(endpoint.standing("m", now), Standing::Resting(after(30)));
    rest(60, false);
    rest(40, true);
    assert_eq!(endpoint.standing("m", now), Standing::Resting(after(40)));
    assert_eq!(endpoint.standing("m", after(40)), Standing::Shy(after(60)));
}
