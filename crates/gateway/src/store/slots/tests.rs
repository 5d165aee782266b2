use super::*;

const NOW: u64 = 1_000;

fn record(tenant: u32, bytes: u32, expires: u64) -> Record {
    Record {
        tenant,
        expires,
        bytes,
    }
}

fn index(records: &[(usize, Record)]) -> Index {
    let mut index = Index::default();
    for (slot, record) in records {
        index.0[*slot] = *record;
    }
    index
}

#[test]
fn an_index_is_read_as_it_was_written_and_anything_else_is_empty() {
    let some = index(&[(0, record(7, 8, 9)), (63, record(u32::MAX, 1, u64::MAX))]);
    let bytes = some.bytes();
    assert_eq!(Index::parse(&bytes), Some(some));
    for foreign in [
        &b""[..],
        b"FBI1",
        &bytes[1..],
        &bytes[..bytes.len() - 1],
        b"FBI2",
    ] {
        assert_eq!(Index::parse(foreign), None);
    }
}

#[test]
fn expired_entries_go_a_few_at_a_time() {
    let mut index = Index::default();
    for slot in 0..20 {
        index.0[slot] = record(1, 10, NOW);
    }
    let plan = index.plan(30, record(1, 10, NOW + 60), 1_000, NOW);
    assert!(plan.admitted);
    assert_eq!(plan.delete.len(), DELETES);
}

#[test]
fn a_tenant_over_its_quota_loses_what_expires_first() {
    let full = index(&[
        (1, record(1, 400, NOW + 30)),
        (2, record(1, 400, NOW + 10)),
        (3, record(2, 400, NOW + 5)),
    ]);
    let plan = full.plan(9, record(1, 400, NOW + 60), 1_000, NOW);
    assert_eq!((plan.delete, plan.admitted), (vec![2], true));
    // More than the quota alone is not stored at all.
    assert!(
        !full
            .plan(9, record(1, 1_001, NOW + 60), 1_000, NOW)
            .admitted
    );
    // The entry in the slot itself makes room by being written over.
    let plan = full.plan(1, record(1, 600, NOW + 60), 1_000, NOW);
    assert_eq!((plan.delete, plan.admitted), (vec![], true));
}

#[test]
fn nobody_is_displaced_within_a_fair_share() {
    let mut crowd = Index::default();
    for slot in 0..40 {
        crowd.0[slot] = record(1, 1, NOW + 60);
    }
    crowd.0[50] = record(2, 1, NOW + 60);
    // The first tenant holds more than half of the slots: the second may take one of them back.
    assert!(crowd.plan(0, record(2, 1, NOW + 60), 1_000, NOW).admitted);
    assert!(!crowd.plan(50, record(1, 1, NOW + 60), 1_000, NOW).admitted);
    // An expired entry protects nobody.
    crowd.0[50].expires = NOW;
    assert!(crowd.plan(50, record(1, 1, NOW + 60), 1_000, NOW).admitted);
}

#[test]
fn every_group_is_swept_in_its_turn() {
    let mut seen = std::collections::BTreeSet::new();
    for now in 0..u64::from(GROUPS) {
        let other = other_group(5, now);
        assert_ne!(other, 5);
        seen.insert(other);
    }
    assert_eq!(seen.len(), usize::from(GROUPS) - 1);
}
