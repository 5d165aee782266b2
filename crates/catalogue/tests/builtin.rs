//! The built-in catalogue: it is good, and holds every pairing that Forebay promises.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use forebay_catalogue::{Capability, Catalogue, Confidence, Date, MicroUsd, Range, check};

fn builtin() -> Catalogue {
    Catalogue::builtin().unwrap_or_else(|report| panic!("{report}"))
}

fn offered(model: &str) -> Vec<String> {
    let catalogue = builtin();
    let offers = catalogue.offers(model);
    offers.map(|offer| offer.seller.to_string()).collect()
}

#[test]
fn the_builtin_catalogue_passes_its_own_check() {
    let report = check(&[], Date::new(2026, 11, 25).unwrap());
    assert!(report.is_good(), "{report}");
    assert!(report.offers >= 90, "{report}");
    assert!(
        report
            .to_string()
            .starts_with("the catalogue is valid: 10 sellers"),
        "{report}"
    );
}

#[test]
fn a_check_before_the_figures_were_read_says_so() {
    let report = check(&[], Date::new(2026, 11, 24).unwrap());
    assert!(
        report
            .to_string()
            .contains("the date 2026-11-25 is in the future; today is 2026-11-24")
    );
}

#[test]
fn each_makers_models_are_sold_where_they_are_said_to_be() {
    let catalogue = builtin();
    for (maker, sellers) in [
        (
            "OpenAI",
            &["openai", "azure", "bedrock", "oci", "own"] as &[_],
        ),
        ("Anthropic", &["anthropic", "bedrock", "vertex"]),
        ("Cohere", &["cohere", "bedrock", "oci", "azure"]),
        (
            "Mistral AI",
            &["mistral", "azure", "bedrock", "vertex", "own"],
        ),
        ("Google", &["gemini", "vertex", "own"]),
        ("Meta", &["own"]),
        ("Alibaba", &["own"]),
    ] {
        let models = catalogue.models().filter(|model| model.maker == maker);
        let sold: Vec<_> = models
            .flat_map(|model| catalogue.offers(model.name.as_str()))
            .map(|offer| offer.seller.as_str())
            .collect();
        for seller in sellers {
            assert!(sold.contains(seller), "{maker} at {seller}, found {sold:?}");
        }
    }
}

#[test]
fn a_model_has_the_same_name_wherever_it_is_sold() {
    for (model, sellers) in [
        (
            "gpt-oss-120b",
            &["azure", "bedrock", "oci", "own", "vertex"] as &[_],
        ),
        ("gpt-6.1-sol", &["azure", "bedrock", "openai"]),
        ("gpt-4o", &["azure", "openai"]),
        ("claude-sonnet-4-5", &["anthropic", "bedrock", "vertex"]),
        ("command-a", &["azure", "cohere", "oci"]),
        ("mistral-large-3", &["azure", "bedrock", "mistral", "own"]),
        ("gemini-3.8-flash", &["gemini", "vertex"]),
        ("cohere-embed-v4", &["azure", "bedrock", "cohere", "oci"]),
    ] {
        assert_eq!(offered(model), sellers, "{model}");
    }
}

#[test]
fn every_model_is_sold_and_every_alias_ends_at_one() {
    let catalogue = builtin();
    for model in catalogue.models() {
        assert!(
            catalogue.offers(model.name.as_str()).count() > 0,
            "{}",
            model.name
        );
    }
    for (alias, model) in catalogue.aliases() {
        assert_eq!(catalogue.resolve(alias.as_str()).unwrap(), model);
    }
    assert_eq!(
        catalogue.resolve("claude-sonnet").unwrap().as_str(),
        "claude-sonnet-5-5"
    );
    assert_eq!(
        catalogue.resolve("claude").unwrap().as_str(),
        "claude-sonnet-5-5"
    );
}

#[test]
fn bedrock_names_the_inference_profile_of_the_regions_continent() {
    let catalogue = builtin();
    let id = |region| {
        let there = catalogue.offer("bedrock", "claude-sonnet-4-5", region);
        there.map(|there| there.id())
    };
    let eu = id("eu-central-1").unwrap();
    assert_eq!(eu, "eu.anthropic.claude-sonnet-4-5-20250929-v1:0");
    assert_eq!(id("us-west-2").unwrap(), eu.replacen("eu.", "us.", 1));
    assert_eq!(id("ap-northeast-1"), None);
}

#[test]
fn a_region_may_have_a_price_of_its_own() {
    let catalogue = builtin();
    let input = |region| {
        let there = catalogue.offer("azure", "gpt-4o", region).unwrap();
        there.price().unwrap().input
    };
    assert_eq!(input("global"), MicroUsd(2_500_000));
    assert_eq!(input("eu"), MicroUsd(2_750_000));
}

#[test]
fn clouds_come_with_the_published_estimates_of_their_speed() {
    let catalogue = builtin();
    let azure = catalogue.offer("azure", "gpt-4o", "eu").unwrap();
    let prior = azure.prior().unwrap();
    assert_eq!(
        prior.median_ms_500_tokens,
        Some(Range {
            low: 1500,
            high: 1500
        })
    );
    assert_eq!(prior.requests_per_s.unwrap().middle(), 120);
    assert_eq!(prior.blended_price, Some(MicroUsd(5_000_000)));
    assert!(prior.note.contains("published estimate"));
    assert_eq!(azure.sla().unwrap().to_string(), "99.9 %");

    let aws = catalogue.seller("bedrock").unwrap();
    let prior = aws.prior.as_ref().unwrap();
    assert_eq!(
        prior.median_ms_500_tokens,
        Some(Range {
            low: 1600,
            high: 1800
        })
    );
    assert_eq!(
        prior.requests_per_s,
        Some(Range {
            low: 110,
            high: 115
        })
    );
    assert_eq!(aws.sla.unwrap().to_string(), "99.95 %");
}

#[test]
fn own_engines_have_no_price_and_all_others_have_one() {
    for offer in builtin().all() {
        assert_eq!(
            offer.price.is_none(),
            offer.seller.as_str() == "own",
            "{offer:?}"
        );
        let outputs = offer.price.is_none_or(|price| price.output > MicroUsd(0));
        assert!(outputs || offer.can(Capability::Embeddings), "{offer:?}");
    }
}

#[test]
fn every_row_says_where_its_figures_come_from() {
    for offer in builtin().all() {
        assert!(offer.source.starts_with("https://"), "{offer:?}");
        assert!(offer.date.is_some(), "{offer:?}");
        assert!(
            offer.confidence == Confidence::Published || offer.note.is_some(),
            "{offer:?}"
        );
    }
}
