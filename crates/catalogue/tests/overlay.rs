//! A user's file over the built-in catalogue: it overrides, adds and removes, and says only what differs.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use forebay_catalogue::{Catalogue, Confidence, Date, File, MicroUsd, check};

fn over(text: &str) -> Result<Catalogue, String> {
    let today = Date::new(2026, 11, 25).unwrap();
    let file = File {
        name: "mine.toml",
        text,
    };
    let below = Catalogue::builtin().unwrap();
    below
        .overlay(&[file], today)
        .map_err(|report| report.to_string())
}

#[test]
fn a_negotiated_price_replaces_the_price_and_its_regional_exceptions() {
    let text = "[[offer]]\nseller = \"azure\"\nmodel = \"gpt-4o\"\n\
                price = { input = 2_000_000, output = 8_000_000 }\n";
    let mine = over(text).unwrap();
    let builtin = Catalogue::builtin().unwrap();
    let (new, old) = (
        mine.offer("azure", "gpt-4o", "eu").unwrap(),
        builtin.offer("azure", "gpt-4o", "eu").unwrap(),
    );
    let price = new.price().unwrap();
    assert_eq!(
        (price.input, price.cached_read),
        (MicroUsd(2_000_000), None)
    );
    assert_eq!(new.offer.source, "mine.toml");
    assert_eq!(
        (new.offer.date, new.offer.confidence),
        (None, Confidence::Published)
    );
    assert_eq!(new.offer.id, old.offer.id);
    assert_eq!(new.offer.capabilities, old.offer.capabilities);
    assert_eq!(mine.all().count(), builtin.all().count());
}

#[test]
fn a_row_that_says_nothing_of_the_price_keeps_it() {
    let text =
        "[[offer]]\nseller = \"azure\"\nmodel = \"gpt-4o\"\nid = \"our-4o\"\nregions = [\"eu\"]\n";
    let mine = over(text).unwrap();
    let there = mine.offer("azure", "gpt-4o", "eu").unwrap();
    assert_eq!(there.id(), "our-4o");
    assert_eq!(there.price().unwrap().input, MicroUsd(2_750_000));
    assert!(there.offer.source.starts_with("https://"));
    assert!(mine.offer("azure", "gpt-4o", "us").is_none());
}

#[test]
fn a_row_is_removed_and_only_that() {
    let text = "[[offer]]\nseller = \"azure\"\nmodel = \"gpt-4o\"\nremove = true\n";
    let mine = over(text).unwrap();
    let sellers: Vec<_> = mine
        .offers("gpt-4o")
        .map(|o| o.seller.to_string())
        .collect();
    assert_eq!(sellers, ["openai"]);
    assert_eq!(
        over(&text.replace("gpt-4o", "gpt-4p")).unwrap_err(),
        "mine.toml:1: azure/gpt-4p can't be removed: there is no such row, did you mean \"azure/gpt-4o\"?"
    );
}

#[test]
fn a_private_model_on_own_engines_needs_its_name_and_a_row() {
    let text = "[[model]]\nname = \"acme-7b\"\nmaker = \"Acme\"\n\
                [aliases]\nhouse = \"acme-7b\"\n\
                [[offer]]\nseller = \"own\"\nmodel = \"acme-7b\"\nid = \"acme/7b\"\nregions = [\"own\"]\n\
                context = 32_768\nmax_output = 8_192\ncapabilities = [\"tools\", \"streaming\"]\n";
    let mine = over(text).unwrap();
    let offer = mine.offers("house").next().unwrap();
    assert_eq!((offer.id.as_str(), offer.price), ("acme/7b", None));
    let undeclared = text.replace("[[model]]\nname = \"acme-7b\"\nmaker = \"Acme\"\n", "");
    let undeclared = undeclared.replace("[aliases]\nhouse = \"acme-7b\"\n", "");
    assert_eq!(
        over(&undeclared).unwrap_err(),
        "mine.toml:3: offer own/acme-7b: unknown model \"acme-7b\""
    );
}

#[test]
fn a_private_seller_has_regions_and_offers_of_its_own() {
    let text = "[[seller]]\nname = \"acme\"\ntitle = \"Acme\"\nprovider = \"compatible\"\nsold_by = \"token\"\n\
                [seller.regions]\nhome = { jurisdiction = \"CH\" }\n\
                [[offer]]\nmodel = \"llama-3.3-70b\"\nid = \"llama\"\nregions = [\"home\"]\ncontext = 8_192\n\
                max_output = 2_048\ncapabilities = [\"streaming\"]\nprice = { input = 1, output = 2 }\n";
    let mine = over(text).unwrap();
    let there = mine.offer("acme", "llama", "home").unwrap();
    assert_eq!(there.region.jurisdiction.as_str(), "CH");
    assert_eq!(there.seller.source, "mine.toml");
}

#[test]
fn a_seller_is_patched_without_losing_the_rest() {
    let text = "[[seller]]\nname = \"bedrock\"\nsla = 99.5\n[seller.regions]\n\
                eu-central-1 = { jurisdiction = \"EU\" }\neu-south-2 = { jurisdiction = \"EU\", geo = \"eu\" }\n";
    let mine = over(text).unwrap();
    let there = mine
        .offer("bedrock", "claude-sonnet", "eu-central-1")
        .unwrap();
    assert_eq!(there.sla().unwrap().to_string(), "99.5 %");
    assert!(there.id().starts_with("eu."), "the region keeps its geo");
    assert!(there.certificates().len() > 5);
    assert!(there.seller.regions.contains_key("eu-south-2"));
}

#[test]
fn a_seller_that_now_sells_by_token_needs_prices() {
    let error = over("[[seller]]\nname = \"own\"\nsold_by = \"token\"\n").unwrap_err();
    assert!(
        error.starts_with("mine.toml:2: own/gemma-3-27b has no price, but own sells by token"),
        "{error}"
    );
}

#[test]
fn a_users_alias_wins() {
    let mine = over("[aliases]\nclaude-sonnet = \"claude-sonnet-4-5\"\n").unwrap();
    assert_eq!(
        mine.resolve("claude-sonnet").unwrap().as_str(),
        "claude-sonnet-4-5"
    );
    assert_eq!(
        mine.resolve("claude").unwrap().as_str(),
        "claude-sonnet-4-5"
    );
}

#[test]
fn a_check_counts_what_the_files_make_of_it() {
    let today = Date::new(2026, 11, 25).unwrap();
    let text = "[[offer]]\nseller = \"azure\"\nmodel = \"gpt-4o\"\nremove = true\n";
    let file = File {
        name: "mine.toml",
        text,
    };
    assert_eq!(check(&[file], today).offers + 1, check(&[], today).offers);
    let twice = check(&[file, file], today);
    assert!(
        twice.to_string().contains("can't be removed"),
        "files are layers, one over the other"
    );
}
