//! What the catalogue knows of an upstream's models: their names there, prices, limits, abilities.

use std::collections::BTreeMap;

use forebay_catalogue::{Capability, Catalogue, Offer, Placed, SellerName};
use forebay_gateway::config::{Capabilities, OfferFacts, UpstreamConfig};
use forebay_gateway::policy::Price;

/// The part of a median answer of 500 tokens that is spent before the first one: a third, as in
/// the published figures of both clouds that tell both.
const TTFT_SHARE: f64 = 1.0 / 3.0;

/// What stands before a name of the catalogue's in `models`.
pub(super) const LOGICAL: &str = "catalogue:";

/// Fills in what the configuration left out, and tells what is known of each model.
///
/// A cloud without `models` sells what the catalogue says, under its logical names, their
/// aliases and the cloud's own ids. A name in `models` is the cloud's own; `catalogue:NAME`
/// stands for what the catalogue says it is called there.
pub(super) fn fill(
    upstream: &mut UpstreamConfig,
    catalogue: &Catalogue,
) -> BTreeMap<String, OfferFacts> {
    let seller = upstream.provider.name();
    let Some(seller) = catalogue.seller(seller).map(|seller| &seller.name) else {
        return BTreeMap::new();
    };
    if upstream.models.is_empty() && !upstream.provider.is_own_engine() {
        upstream.models = everything(catalogue, seller, &upstream.region);
        if upstream.models.is_empty() {
            // An unknown region. Ids that do not name their region are the same everywhere.
            upstream.models = everything(catalogue, seller, "");
            upstream.models.retain(|_, id| {
                find(catalogue, seller, "", id).is_some_and(|placed| !placed.offer.id.contains('{'))
            });
        }
    }
    let mut facts = BTreeMap::new();
    for (name, id) in &mut upstream.models {
        let wanted = id.strip_prefix(LOGICAL).unwrap_or(id);
        let Some(placed) = find(catalogue, seller, &upstream.region, wanted) else {
            // A region that the catalogue does not know: the price of another is better than none.
            if !id.starts_with(LOGICAL)
                && let Some(elsewhere) = find(catalogue, seller, "", wanted)
            {
                facts.insert(name.clone(), facts_of(&elsewhere));
            }
            continue;
        };
        if id.starts_with(LOGICAL) {
            *id = placed.id();
        }
        facts.insert(name.clone(), facts_of(&placed));
    }
    facts
}

/// All that a seller sells in a region: every name, and the id it stands for.
fn everything(
    catalogue: &Catalogue,
    seller: &SellerName,
    region: &str,
) -> BTreeMap<String, String> {
    let mut models = BTreeMap::new();
    for offer in catalogue.all().filter(|offer| offer.seller == *seller) {
        let Some(placed) = place(catalogue, offer, region) else {
            continue;
        };
        let id = placed.id();
        models.insert(id.clone(), id.clone());
        models.insert(offer.model.to_string(), id.clone());
        for (alias, _) in catalogue.aliases().filter(|(_, end)| **end == offer.model) {
            models.insert(alias.to_string(), id.clone());
        }
    }
    models
}

/// The offer that is meant by a logical name, an alias, or the seller's own id.
fn find<'c>(
    catalogue: &'c Catalogue,
    seller: &SellerName,
    region: &str,
    wanted: &str,
) -> Option<Placed<'c>> {
    let mut by_name = catalogue.offers(wanted).filter(|o| o.seller == *seller);
    if let Some(placed) = by_name.find_map(|offer| place(catalogue, offer, region)) {
        return Some(placed);
    }
    let all = catalogue.all().filter(|offer| offer.seller == *seller);
    all.filter_map(|offer| place(catalogue, offer, region))
        .find(|placed| placed.id() == wanted)
}

/// An offer in the upstream's region, or in its first one where none is configured.
fn place<'c>(catalogue: &'c Catalogue, offer: &'c Offer, region: &str) -> Option<Placed<'c>> {
    let mut places = catalogue.places(offer);
    if region.is_empty() {
        places.next()
    } else {
        places.find(|placed| placed.region_name.as_str() == region)
    }
}

fn facts_of(placed: &Placed<'_>) -> OfferFacts {
    let can = |capability| placed.offer.can(capability);
    let median = placed
        .prior()
        .and_then(|prior| prior.median_ms_500_tokens)
        .map(|range| range.middle() as f64)
        .filter(|median| *median > 0.0);
    OfferFacts {
        price: placed.price().map(|price| Price {
            input: price.input.0,
            cached_input: price.cached_read.unwrap_or(price.input).0,
            output: price.output.0,
        }),
        cache_write: placed
            .price()
            .and_then(|price| price.cache_write)
            .map(|write| write.0),
        context_tokens: placed.offer.context.0,
        max_output: placed.offer.max_output.map_or(0, |most| most.0),
        capabilities: Capabilities {
            streaming: can(Capability::Streaming),
            tools: can(Capability::Tools),
            json_schema: can(Capability::JsonSchema),
            vision: can(Capability::Vision),
            audio: can(Capability::AudioIn),
            logprobs: can(Capability::Logprobs),
            ..Capabilities::default()
        },
        ttft_ms: median.map(|median| median * TTFT_SHARE),
        tokens_per_second: median.map(|median| 500.0 / (median * (1.0 - TTFT_SHARE) / 1e3)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(text: &str) -> UpstreamConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_cloud_without_models_sells_what_the_catalogue_says() {
        let catalogue = Catalogue::builtin().unwrap();
        let mut anthropic = upstream("name = \"a\"\nprovider = \"anthropic\"");
        let facts = fill(&mut anthropic, &catalogue);
        let id = anthropic.models.get("claude-sonnet").unwrap();
        assert!(id.starts_with("claude-sonnet"), "{id}");
        assert!(facts["claude-sonnet"].price.unwrap().output > 1_000_000);
    }

    #[test]
    fn a_region_decides_the_id() {
        let catalogue = Catalogue::builtin().unwrap();
        let mut bedrock = upstream(
            "name = \"b\"\nprovider = \"bedrock\"\nregion = \"eu-central-1\"\nmodels = { sonnet = \"catalogue:claude-sonnet-4-5\", own = \"claude-sonnet-4-5\" }",
        );
        let facts = fill(&mut bedrock, &catalogue);
        assert!(bedrock.models["sonnet"].starts_with("eu.anthropic."));
        assert_eq!(bedrock.models["own"], "claude-sonnet-4-5");
        assert!(facts["sonnet"].tokens_per_second.unwrap() > 100.0);
    }

    #[test]
    fn a_region_without_a_row_keeps_the_models_price() {
        let catalogue = Catalogue::builtin().unwrap();
        let price = |region: &str| {
            let mut openai = upstream(&format!(
                "name = \"o\"\nprovider = \"openai\"\nregion = \"{region}\"\nmodels = {{ mini = \"gpt-4o-mini\" }}"
            ));
            fill(&mut openai, &catalogue)["mini"].price
        };
        assert_eq!(price("us-east-of-nowhere").unwrap(), price("").unwrap());
    }

    #[test]
    fn an_engine_serves_what_it_is_asked() {
        let catalogue = Catalogue::builtin().unwrap();
        let mut engine =
            upstream("name = \"e\"\nprovider = \"vllm\"\nurls = [\"http://127.0.0.1:1\"]");
        assert!(fill(&mut engine, &catalogue).is_empty());
        assert!(engine.models.is_empty());
    }
}
