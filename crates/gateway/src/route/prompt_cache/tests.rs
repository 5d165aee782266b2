//! What is marked after what was seen, and what is not.

use super::*;

const CLAUDE: Terms = Terms {
    premium: None,
    discount: None,
};

/// Places behind a system prompt (0 is none) and behind turns, by the hashes of their prefixes.
fn places(tenant: u64, system: u64, turns: &[u64]) -> Places {
    let point = |place, prefix, bytes| Point {
        place,
        prefix,
        bytes,
        after_uses: 1,
        hour: false,
    };
    let mut points = Vec::new();
    if system != 0 {
        points.push(point(CachePlace::System, system, 4_000));
    }
    for (at, prefix) in turns.iter().enumerate() {
        let at = u32::try_from(at).unwrap();
        points.push(point(CachePlace::Turn(2 * at), *prefix, 5_000 + at * 1_000));
    }
    Places {
        tenant,
        total: 10_000,
        points,
        key: None,
    }
}

fn marked(cache: &PromptCache, places: &Places, now: Instant) -> Vec<CachePlace> {
    let marks = cache.decide(places, CLAUDE, now).marks;
    marks.iter().map(|mark| mark.place).collect()
}

#[test]
fn a_system_prompt_is_marked_when_it_comes_again_and_no_sooner() {
    let (cache, now) = (PromptCache::default(), Instant::now());
    assert!(marked(&cache, &places(1, 7, &[10]), now).is_empty());
    assert_eq!(
        marked(&cache, &places(1, 7, &[11]), now),
        [CachePlace::System]
    );
    let third = cache.decide(&places(1, 7, &[12]), CLAUDE, now);
    assert_eq!(third.marks.len(), 1);
    assert!((third.expected - 0.4).abs() < 1e-9, "{third:?}");
}

#[test]
fn a_conversation_that_grows_is_marked_where_it_was_and_where_it_is() {
    let (cache, now) = (PromptCache::default(), Instant::now());
    assert!(marked(&cache, &places(1, 7, &[10]), now).is_empty());
    assert_eq!(
        marked(&cache, &places(1, 7, &[10, 11]), now),
        [CachePlace::System, CachePlace::Turn(0), CachePlace::Turn(2)]
    );
    assert_eq!(
        marked(&cache, &places(1, 7, &[10, 11, 12]), now),
        [CachePlace::System, CachePlace::Turn(2), CachePlace::Turn(4)]
    );
}

#[test]
fn what_was_seen_longer_ago_than_a_provider_keeps_it_is_new_again() {
    let (cache, now) = (PromptCache::default(), Instant::now());
    marked(&cache, &places(1, 7, &[10]), now);
    let later = now + FIVE_MINUTES + Duration::from_secs(1);
    assert!(marked(&cache, &places(1, 7, &[11]), later).is_empty());
    assert_eq!(
        marked(&cache, &places(1, 7, &[12]), later + FIVE_MINUTES),
        [CachePlace::System]
    );
}

#[test]
fn one_tenants_prompts_say_nothing_about_anothers() {
    let (cache, now) = (PromptCache::default(), Instant::now());
    marked(&cache, &places(1, 7, &[10]), now);
    assert!(marked(&cache, &places(2, 7, &[10]), now).is_empty());
}

#[test]
fn prefixes_that_never_come_a_third_time_are_marked_no_more() {
    let (cache, now) = (PromptCache::default(), Instant::now());
    let pair = |prefix: u64| {
        marked(&cache, &places(1, prefix, &[]), now);
        !marked(&cache, &places(1, prefix, &[]), now).is_empty()
    };
    assert!(pair(1));
    let marked_later = (2..100).map(pair).filter(|marked| *marked).count();
    assert!(marked_later < 6, "{marked_later}");
    // Those that do come again bring it back.
    for _ in 0..3 {
        for prefix in 2..100 {
            marked(&cache, &places(1, prefix, &[]), now);
        }
    }
    assert!(pair(1_000));
}

#[test]
fn a_premium_that_reads_never_earn_is_not_paid() {
    let (cache, now) = (PromptCache::default(), Instant::now());
    let dear = Terms {
        premium: Some(1.0),
        discount: Some(0.5),
    };
    for _ in 0..3 {
        assert!(cache.decide(&places(1, 7, &[]), dear, now).marks.is_empty());
    }
    let free = Terms {
        premium: Some(0.0),
        discount: Some(0.5),
    };
    assert_eq!(cache.decide(&places(1, 7, &[]), free, now).marks.len(), 1);
}

#[test]
fn what_is_remembered_is_bounded() {
    let (cache, now) = (PromptCache::default(), Instant::now());
    for tenant in 0..2 * TENANTS as u64 {
        cache.decide(&places(tenant, 7, &[]), CLAUDE, now);
    }
    for prefix in 0..2 * PREFIXES as u64 {
        cache.decide(&places(1, prefix + 1, &[]), CLAUDE, now);
    }
    let tenants = lock(&cache.tenants);
    assert_eq!(tenants.len(), TENANTS);
    assert!(
        tenants
            .iter()
            .all(|(_, tenant)| tenant.seen.len() <= PREFIXES)
    );
    for model in 0..=REFUSALS {
        cache.refuse(&model.to_string());
    }
    assert!(!cache.takes("another"));
}

#[test]
fn only_models_with_a_cache_get_points_at_bedrock() {
    let claude = "eu.anthropic.claude-sonnet-4-5-v1:0";
    assert!(can_mark(Wire::Converse, claude, CachePlace::Tools));
    assert!(can_mark(
        Wire::Converse,
        "amazon.nova-pro-v1:0",
        CachePlace::System
    ));
    assert!(!can_mark(
        Wire::Converse,
        "amazon.nova-pro-v1:0",
        CachePlace::Tools
    ));
    assert!(!can_mark(Wire::Converse, "meta.llama3", CachePlace::System));
}
