//! Each mistake in a file gives a message that names the place, the value and the way out.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use forebay_catalogue::{Catalogue, Date, File, Report};

/// A good catalogue of one seller; tests spoil a line of it.
const GOOD: &str = r#"[[model]]
name = "tulip"
maker = "Acme"

[[seller]]
name = "acme"
title = "Acme Cloud"
provider = "compatible"
sold_by = "token"
certificates = ["SOC 2"]
sla = 99.9
source = "https://acme.example/trust"
date = 2026-11-01

[seller.regions]
eu-1 = { jurisdiction = "EU", geo = "eu" }
us-1 = { jurisdiction = "US" }

[[offer]]
model = "tulip"
id = "tulip-1"
regions = ["eu-1"]
context = 128_000
max_output = 4_096
capabilities = ["tools", "streaming"]
price = { input = 2_500_000, output = 10_000_000 }
source = "https://acme.example/prices"
date = 2026-11-01
"#;

fn today() -> Date {
    Date::new(2026, 11, 25).unwrap()
}

fn parse(text: &str) -> Result<Catalogue, Report> {
    let name = "acme.toml";
    Catalogue::parse(&[File { name, text }], today())
}

/// The messages of [`GOOD`] with one stretch replaced.
fn spoilt(from: &str, to: &str) -> String {
    assert_eq!(GOOD.matches(from).count(), 1, "{from}");
    parse(&GOOD.replace(from, to)).unwrap_err().to_string()
}

#[test]
fn the_good_file_is_good() {
    assert_eq!(parse(GOOD).unwrap().all().count(), 1);
}

#[test]
fn each_mistake_has_its_message() {
    for (from, to, message) in [
        (
            "max_output = 4_096",
            "max_outputs = 4_096",
            "acme.toml:24: offer has no key \"max_outputs\", did you mean \"max_output\"?; it has seller, model, \
             remove, id, regions, context, max_output, capabilities, price, prices, certificates, sla, prior, \
             source, date, confidence, note",
        ),
        (
            "[\"SOC 2\"]",
            "[\"SOC2\"]",
            "acme.toml:10: seller acme: unknown certificate \"SOC2\", did you mean \"SOC 2\"?",
        ),
        (
            "[\"eu-1\"]",
            "[\"eu-l\"]",
            "acme.toml:22: acme/tulip: unknown region \"eu-l\", did you mean \"eu-1\"?",
        ),
        (
            "\"streaming\"]",
            "\"steaming\"]",
            "acme.toml:25: acme/tulip: unknown capability \"steaming\", did you mean \"streaming\"?",
        ),
        (
            "\"EU\"",
            "\"MARS\"",
            "acme.toml:16: seller acme: regions: eu-1: unknown jurisdiction \"MARS\"",
        ),
        (
            "\"compatible\"",
            "\"compatibel\"",
            "acme.toml:8: seller acme: unknown provider \"compatibel\", did you mean \"compatible\"?",
        ),
        (
            "model = \"tulip\"",
            "model = \"tulp\"",
            "acme.toml:20: offer acme/tulp: unknown model \"tulp\", did you mean \"tulip\"?",
        ),
        (
            "price = { input = 2_500_000, output = 10_000_000 }\n",
            "",
            "acme.toml:19: acme/tulip has no price, but acme sells by token; write price = … in micro-US-dollars per million tokens ($2.50 is 2_500_000)",
        ),
        (
            ", output = 10_000_000",
            "",
            "acme.toml:19: acme/tulip has no price.output, but acme sells by token; write price.output = … in \
             micro-US-dollars per million tokens ($2.50 is 2_500_000)",
        ),
        (
            "input = 2_500_000",
            "input = -1",
            "acme.toml:26: acme/tulip: price: input is -1, but a price can't be negative",
        ),
        (
            "input = 2_500_000",
            "input = 1_000_000_001",
            "acme.toml:26: acme/tulip: price: input is 1000000001 micro-US-dollars per million tokens, over the \
             limit of 1000000000; $2.50 is 2_500_000",
        ),
        (
            "input = 2_500_000",
            "input = 2.5",
            "acme.toml:26: acme/tulip: price: input is an integer of micro-US-dollars per million tokens ($2.50 is \
             2_500_000), not the fraction 2.5",
        ),
        (
            "prices\"\ndate = 2026-11-01",
            "prices\"\ndate = 2026-11-26",
            "acme.toml:28: acme/tulip: the date 2026-11-26 is in the future; today is 2026-11-25",
        ),
        (
            "prices\"\ndate = 2026-11-01",
            "prices\"\ndate = \"1 November\"",
            "acme.toml:28: acme/tulip: the date \"1 November\" is not a day from the year 2000 on; write it as 2026-11-25",
        ),
        (
            "max_output = 4_096",
            "max_output = 128_001",
            "acme.toml:24: acme/tulip: max_output is 128001 tokens, over the context of 128000",
        ),
        (
            "context = 128_000",
            "context = 0",
            "acme.toml:23: acme/tulip: context is 0, and must be 1 to 1000000000",
        ),
        (
            "sla = 99.9\n",
            "sla = 101\n",
            "acme.toml:11: seller acme: sla is an availability in percent, over 0 and at most 100, such as 99.9, \
             not the integer 101",
        ),
        (
            "id = \"tulip-1\"",
            "id = \"{zone}.tulip\"",
            "acme.toml:21: acme/tulip: the id \"{zone}.tulip\" can't be filled in for eu-1: only {region} and \
             {geo} stand for something",
        ),
        (
            "id = \"tulip-1\"\nregions = [\"eu-1\"]",
            "id = \"{geo}.tulip\"\nregions = [\"us-1\"]",
            "acme.toml:21: acme/tulip: the id \"{geo}.tulip\" can't be filled in for us-1: the region has no geo",
        ),
        (
            "id = \"tulip-1\"\n",
            "",
            "acme.toml:19: acme/tulip: id is missing",
        ),
        (
            "source = \"https://acme.example/prices\"\n",
            "",
            "acme.toml:19: acme/tulip: source is missing",
        ),
        (
            "prices\"\n",
            "prices\"\nconfidence = \"estimate\"\n",
            "acme.toml:19: acme/tulip: note is missing",
        ),
        (
            "name = \"acme\"",
            "name = \"ac me\"",
            "acme.toml:6: the seller name \"ac me\" must be 1 to 128 of the characters A-Z a-z 0-9 . _ - : / @\n\
             acme.toml:19: offer tulip: seller is missing",
        ),
    ] {
        assert_eq!(spoilt(from, to), message);
    }
}

#[test]
fn a_file_that_is_no_toml_is_refused_with_its_line() {
    let report = parse("[[seller]]\nname = \n").unwrap_err().to_string();
    assert!(report.starts_with("acme.toml:2: "), "{report}");
}

#[test]
fn the_same_row_twice_names_the_first() {
    let row = &GOOD[GOOD.find("[[offer]]").unwrap()..];
    let twice = format!("{GOOD}\n{row}");
    assert_eq!(
        parse(&twice).unwrap_err().to_string(),
        "acme.toml:30: offer acme/tulip is already at acme.toml:19; keep one"
    );
    let sellers = GOOD.replace(
        "[[offer]]",
        "[[seller]]\nname = \"acme\"\n[[offer]]\nseller = \"acme\"",
    );
    assert_eq!(
        parse(&sellers).unwrap_err().to_string(),
        "acme.toml:19: seller acme is already at acme.toml:6; keep one".replace(":19", ":20")
    );
}

#[test]
fn aliases_lead_to_a_model_by_a_way_that_ends() {
    for (aliases, message) in [
        (
            "flower = \"tulipe\"",
            "acme.toml:31: the alias flower points to \"tulipe\", which is neither a model nor an alias, did you mean \"tulip\"?",
        ),
        (
            "a = \"b\"\nb = \"a\"",
            "acme.toml:31: the alias a leads back to itself: a -> b -> a\n\
             acme.toml:32: the alias b leads back to itself: b -> a -> b",
        ),
        (
            "tulip = \"tulip\"",
            "acme.toml:31: the alias tulip has the name of a model; call it something else",
        ),
        (
            "flower = 7",
            "acme.toml:31: the file: aliases: flower is a model's name, not the integer 7",
        ),
    ] {
        let text = format!("{GOOD}\n[aliases]\n{aliases}\n");
        assert_eq!(parse(&text).unwrap_err().to_string(), message);
    }
    let chain = format!("{GOOD}\n[aliases]\na = \"b\"\nb = \"tulip\"\n");
    let catalogue = parse(&chain).unwrap();
    assert_eq!(catalogue.resolve("a").unwrap().as_str(), "tulip");
    assert_eq!(catalogue.offers("a").count(), 1);
}

#[test]
fn all_mistakes_of_a_file_are_found_at_once() {
    let text = GOOD
        .replace("[\"SOC 2\"]", "[\"SOC 9\"]")
        .replace("input = 2_500_000", "input = -1")
        .replace("\"tools\", ", "\"tool\", ");
    let report = parse(&text).unwrap_err();
    let lines: Vec<_> = report.problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [10, 25, 26], "{report}");
}

#[test]
fn endless_mistakes_and_endless_files_are_cut() {
    let many = "nonsense = 1\n".replace("nonsense", "[[offer]]\nx");
    let report = parse(&many.repeat(1_000)).unwrap_err();
    assert_eq!(report.problems.len(), 100);
    let long = "#".repeat(1024 * 1024 + 1);
    assert_eq!(
        parse(&long).unwrap_err().to_string(),
        "acme.toml:1: the file has 1048577 bytes, over the limit of 1048576; split it"
    );
}

#[test]
fn an_unknown_name_is_answered_with_the_likely_one() {
    let unknown = Catalogue::builtin().unwrap().resolve("gpt4o").unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "the catalogue has no model \"gpt4o\", did you mean \"gpt-4o\"?; `forebay catalogue list` shows all"
    );
}
