//! What a usage costs: to the millionth of a dollar, rounded up, and never more than there is.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use forebay_catalogue::{Catalogue, MicroUsd, Price, Usage, table};
use proptest::option;
use proptest::prelude::*;

fn price() -> Price {
    Price {
        input: MicroUsd(3_000_000),
        cached_read: Some(MicroUsd(300_000)),
        cache_write: Some(MicroUsd(3_750_000)),
        output: MicroUsd(15_000_000),
        batch_discount_percent: 50,
    }
}

#[test]
fn each_kind_of_token_costs_its_own_price() {
    let usage = Usage {
        input: 1_000,
        cached_read: 10_000,
        cache_write: 2_000,
        output: 500,
    };
    assert_eq!(
        price().cost(&usage),
        MicroUsd(3_000 + 3_000 + 7_500 + 7_500)
    );
    assert_eq!(price().batch_cost(&usage), MicroUsd(10_500));
}

#[test]
fn what_has_no_price_of_its_own_costs_as_input() {
    let plain = Price {
        cached_read: None,
        cache_write: None,
        ..price()
    };
    let usage = Usage {
        cached_read: 1,
        cache_write: 1,
        ..Usage::default()
    };
    assert_eq!(plain.cost(&usage), MicroUsd(6));
}

#[test]
fn a_fraction_of_a_millionth_is_rounded_up_once() {
    let cheap = Price {
        input: MicroUsd(100_000),
        ..Price::default()
    };
    let tokens = |input| Usage {
        input,
        ..Usage::default()
    };
    assert_eq!(cheap.cost(&tokens(0)), MicroUsd(0));
    assert_eq!(cheap.cost(&tokens(1)), MicroUsd(1));
    assert_eq!(cheap.cost(&tokens(10)), MicroUsd(1));
    assert_eq!(cheap.cost(&tokens(11)), MicroUsd(2));
}

#[test]
fn more_than_there_is_costs_all_there_is() {
    let half = 1 << 63;
    let dear = Price {
        input: MicroUsd(half),
        output: MicroUsd(half),
        ..Price::default()
    };
    // Four products of 2^126: their sum is just out of 128 bits, and would wrap to nothing.
    let usage = Usage {
        input: half,
        cached_read: half,
        cache_write: half,
        output: half,
    };
    assert_eq!(dear.cost(&usage), MicroUsd(u64::MAX));
    assert_eq!(dear.batch_cost(&usage), MicroUsd(u64::MAX));
}

#[test]
fn money_is_shown_in_dollars_without_losing_digits() {
    for (amount, text) in [
        (0, "$0.00"),
        (2_500_000, "$2.50"),
        (37_500, "$0.0375"),
        (1_000_000_000, "$1000.00"),
    ] {
        assert_eq!(MicroUsd(amount).to_string(), text);
    }
}

#[test]
fn the_list_shows_a_model_by_alias_and_marks_estimates() {
    let catalogue = Catalogue::builtin().unwrap();
    let rows = catalogue.rows(Some("claude-sonnet")).unwrap();
    let text = table(&rows);
    assert_eq!(text.lines().count(), 1 + 3, "{text}");
    assert!(text.contains("~$2.20") && text.contains(" $2.00"), "{text}");
    assert!(text.contains("EU,US"), "{text}");
    let json = serde_json::to_value(&rows).unwrap();
    assert_eq!(json[0]["seller"], "anthropic");
    assert_eq!(json[0]["price"]["input"], 2_000_000);
    assert_eq!(json[1]["sla_in_force"], 99.95);
    assert_eq!(json[1]["jurisdictions"], serde_json::json!(["EU", "US"]));
}

fn any_price() -> impl Strategy<Value = Price> {
    let amount = || any::<u64>().prop_map(MicroUsd);
    let parts = (
        amount(),
        option::of(amount()),
        option::of(amount()),
        amount(),
        any::<u8>(),
    );
    parts.prop_map(|(input, cached_read, cache_write, output, batch)| Price {
        input,
        cached_read,
        cache_write,
        output,
        batch_discount_percent: batch,
    })
}

fn any_usage() -> impl Strategy<Value = Usage> {
    any::<[u64; 4]>().prop_map(|[input, cached_read, cache_write, output]| Usage {
        input,
        cached_read,
        cache_write,
        output,
    })
}

proptest! {
    #[test]
    fn no_price_times_no_usage_overflows(price in any_price(), usage in any_usage()) {
        let cost = price.cost(&usage);
        prop_assert!(price.batch_cost(&usage) <= cost);
        let more = Usage { output: usage.output.saturating_add(1), ..usage };
        prop_assert!(price.cost(&more) >= cost);
    }

    #[test]
    fn a_believable_cost_is_exact_but_for_the_last_millionth(
        prices in any::<[u32; 4]>(), tokens in any::<[u32; 4]>(),
    ) {
        let [input, cached_read, cache_write, output] = prices.map(|p| MicroUsd(u64::from(p) % 1_000_000_001));
        let price = Price {
            input,
            cached_read: Some(cached_read),
            cache_write: Some(cache_write),
            output,
            batch_discount_percent: 0,
        };
        let [a, b, c, d] = tokens.map(u64::from);
        let usage = Usage { input: a, cached_read: b, cache_write: c, output: d };
        let exact: u128 = [(a, input), (b, cached_read), (c, cache_write), (d, output)]
            .iter()
            .map(|(tokens, price)| u128::from(*tokens) * u128::from(price.0))
            .sum();
        let cost = u128::from(price.cost(&usage).0) * 1_000_000;
        prop_assert!(cost >= exact && cost < exact + 1_000_000);
    }
}
