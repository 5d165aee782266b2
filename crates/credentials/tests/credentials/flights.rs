//! One token for everyone: asked for once, renewed early, kept through failures, safe to abandon.

use super::support::*;

const ENTRA: &str = r#"
kind = "entra"
tenant = "contoso.example"
client_id = "app-1"
client_secret = "env:SECRET"
"#;

fn entra() -> forebay_credentials::Credentials {
    build(ENTRA, &World::new(&[("SECRET", "S3cret")], &[]))
}

/// Tokens `t0`, `t1`, ... of an hour each.
fn hourly() -> Endpoint {
    Endpoint::new(|n, _| Ok(token(&format!("t{n}"), 3600)))
}

fn token(token: &str, seconds: u32) -> http::Response<bytes::Bytes> {
    answer(
        200,
        &format!(r#"{{"access_token":"{token}","expires_in":{seconds},"token_type":"Bearer"}}"#),
    )
}

#[test]
fn fifty_requests_share_one_token_request() {
    let (credentials, endpoint) = (entra(), hourly().gated());
    let mut crowd = Crowd::new(50, &credentials, &endpoint, at(0));
    crowd.settle();
    assert_eq!((endpoint.count(), crowd.finished()), (1, 0));
    endpoint.open(1);
    crowd.settle();
    assert_eq!((endpoint.count(), crowd.finished()), (1, 50));
    for outcome in crowd.done.iter().flatten() {
        assert_eq!(outcome.as_deref(), Ok("Bearer t0"));
    }
}

#[test]
fn the_one_who_asks_may_leave_and_the_next_one_asks() {
    let (credentials, endpoint) = (entra(), hourly().gated());
    let mut crowd = Crowd::new(3, &credentials, &endpoint, at(0));
    crowd.settle();
    crowd.leave(0);
    crowd.settle();
    assert_eq!(endpoint.count(), 2);
    endpoint.open(1);
    crowd.settle();
    assert_eq!((endpoint.count(), crowd.finished()), (2, 2));
}

#[test]
fn a_waiter_may_leave_and_nobody_notices() {
    let (credentials, endpoint) = (entra(), hourly().gated());
    let mut crowd = Crowd::new(4, &credentials, &endpoint, at(0));
    crowd.settle();
    crowd.leave(1);
    endpoint.open(1);
    crowd.settle();
    assert_eq!((endpoint.count(), crowd.finished()), (1, 3));
}

#[test]
fn a_token_is_used_for_most_of_its_life_and_renewed_before_its_end() {
    let (credentials, endpoint) = (entra(), hourly());
    assert_eq!(authorization(&credentials, &endpoint, at(0)), "Bearer t0");
    // 3600 s less five minutes and at most one minute of jitter.
    assert_eq!(
        authorization(&credentials, &endpoint, at(3239)),
        "Bearer t0"
    );
    assert_eq!(
        authorization(&credentials, &endpoint, at(3301)),
        "Bearer t1"
    );
    assert_eq!(endpoint.count(), 2);
}

#[test]
fn while_one_renews_the_others_use_what_is_still_good() {
    let credentials = entra();
    authorization(&credentials, &hourly(), at(0));
    let endpoint = Endpoint::new(|_, _| Ok(token("new", 3600))).gated();
    let mut crowd = Crowd::new(5, &credentials, &endpoint, at(3400));
    crowd.settle();
    assert_eq!((endpoint.count(), crowd.finished()), (1, 4));
    assert_eq!(crowd.done[4].as_ref().unwrap().as_deref(), Ok("Bearer t0"));
    endpoint.open(1);
    crowd.settle();
    assert_eq!(crowd.done[0].as_ref().unwrap().as_deref(), Ok("Bearer new"));
}

#[test]
fn an_endpoint_that_is_down_costs_nobody_a_token_that_is_still_good() {
    let credentials = entra();
    authorization(&credentials, &hourly(), at(0));
    let down = Endpoint::new(|_, _| Err("connection refused".to_owned()));
    for second in 0..100 {
        let now = at(3400 + second);
        assert_eq!(authorization(&credentials, &down, now), "Bearer t0");
    }
    // 1 + 2 + 4 + 8 + 16 + 30 + 30 seconds apart, each up to a quarter longer.
    assert!((5..=8).contains(&down.count()), "{}", down.count());
    let error = authorize(&credentials, &down, at(3800)).unwrap_err();
    assert!(error.is_transient());
}

#[test]
fn a_failure_is_shared_for_a_moment_and_then_tried_again() {
    let credentials = entra();
    let endpoint = Endpoint::new(|n, _| match n {
        0 => Err("connection refused".to_owned()),
        _ => Ok(token("t", 3600)),
    })
    .gated();
    let mut crowd = Crowd::new(20, &credentials, &endpoint, at(0));
    endpoint.open(1);
    crowd.settle();
    assert_eq!((endpoint.count(), crowd.finished()), (1, 20));
    assert!(crowd.done.iter().flatten().all(Result::is_err));
    drop(crowd);
    endpoint.open(1);
    assert_eq!(authorization(&credentials, &endpoint, at(2)), "Bearer t");
}

#[test]
fn a_clock_that_is_set_back_does_not_prolong_a_failure() {
    let credentials = entra();
    let down = Endpoint::new(|_, _| Err("no route".to_owned()));
    authorize(&credentials, &down, at(100_000)).unwrap_err();
    assert_eq!(authorization(&credentials, &hourly(), at(0)), "Bearer t0");
}

#[test]
fn warming_obtains_the_token_before_the_first_request() {
    use futures_util::FutureExt;
    let (credentials, endpoint) = (entra(), hourly());
    let warmed = credentials.warm(&endpoint, at(0)).now_or_never().unwrap();
    assert!(warmed.is_ok());
    assert_eq!(
        authorization(&credentials, &Endpoint::none(), at(1)),
        "Bearer t0"
    );
}

#[test]
fn a_token_without_a_lifetime_is_kept_for_minutes_only() {
    let credentials = entra();
    let endpoint = Endpoint::new(|n, _| Ok(answer(200, &format!(r#"{{"access_token":"t{n}"}}"#))));
    assert_eq!(authorization(&credentials, &endpoint, at(0)), "Bearer t0");
    assert_eq!(authorization(&credentials, &endpoint, at(300)), "Bearer t1");
}

#[test]
fn a_lifetime_of_years_is_kept_for_a_day() {
    let credentials = entra();
    let endpoint = Endpoint::new(|n, _| Ok(token(&format!("t{n}"), u32::MAX)));
    authorization(&credentials, &endpoint, at(0));
    assert_eq!(
        authorization(&credentials, &endpoint, at(86_400)),
        "Bearer t1"
    );
}

#[test]
fn an_endpoint_that_repeats_its_token_until_its_end_is_not_asked_by_every_request() {
    let credentials = entra();
    authorization(&credentials, &hourly(), at(0));
    let mut asked = 0;
    for second in 3200..3580 {
        let left = 3600 - second;
        let endpoint = Endpoint::new(move |_, _| Ok(token("t0", left)));
        authorization(&credentials, &endpoint, at(u64::from(second)));
        asked += endpoint.count();
    }
    assert!((2..=20).contains(&asked), "{asked}");
}

#[test]
fn authorizing_can_be_moved_between_threads() {
    fn moved<T: Send>(_: T) {}
    let (credentials, endpoint) = (entra(), hourly());
    let mut request = request();
    moved(credentials.authorize(&mut request, &endpoint, at(0)));
    moved(credentials.warm(&endpoint, at(0)));
}
