//! One model of LiteLLM's list, as the upstream that serves it.

use serde_json::Value;

use super::super::{Plan, Upstream};
use super::providers::{
    Name, is_public, is_service, provider_of, screaming, split, usual_key, usual_region, variable,
};
use super::{Members, add, address};

/// The parameters of a model that are imported.
pub(super) const TAKEN: [&str; 16] = [
    "model",
    "custom_llm_provider",
    "oci_compartment_id",
    "api_base",
    "base_url",
    "api_key",
    "api_version",
    "aws_region_name",
    "vertex_location",
    "vertex_ai_location",
    "vertex_project",
    "vertex_ai_project",
    "region_name",
    "litellm_credential_name",
    "input_cost_per_token",
    "output_cost_per_token",
];

/// What `model_info` says that is imported, or that changes nothing here.
const KNOWN_INFO: [&str; 5] = [
    "input_cost_per_token",
    "output_cost_per_token",
    "max_input_tokens",
    "mode",
    "base_model",
];

/// The values that a model takes from `credential_list`.
fn credential<'a>(file: &'a Value, parameters: &Value) -> &'a Value {
    let name = &parameters["litellm_credential_name"];
    let list = file["credential_list"].as_array().into_iter().flatten();
    let mut named = list.filter(|one| name.is_string() && one["credential_name"] == *name);
    named
        .next()
        .map_or(&Value::Null, |one| &one["credential_values"])
}

/// What a model says, in its own parameters or in the credential that it names.
struct Parameters<'a> {
    own: &'a Value,
    shared: &'a Value,
}

impl<'a> Parameters<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        let own = self.own.get(name).and_then(Value::as_str);
        own.or_else(|| self.shared.get(name).and_then(Value::as_str))
    }

    /// A value that has to stand in the file itself: of a variable only the name is known here.
    fn literal(&self, names: &[&str], position: usize, plan: &mut Plan) -> Option<String> {
        let (name, value) = names
            .iter()
            .find_map(|name| Some((name, self.text(name)?)))?;
        if variable(value).is_some() {
            plan.left_out.push(format!(
                "model_list[{position}].litellm_params.{name}: {value}; write the value itself"
            ));
            return None;
        }
        Some(value.to_owned())
    }
}

pub(super) fn read(
    (position, entry): (usize, &Value),
    file: &Value,
    members: &mut Members,
    plan: &mut Plan,
) {
    let given = Parameters {
        own: &entry["litellm_params"],
        shared: credential(file, &entry["litellm_params"]),
    };
    let (Some(name), Some(id)) = (
        entry.get("model_name").and_then(Value::as_str),
        given.text("model"),
    ) else {
        plan.left_out.push(format!(
            "model_list[{position}]: it has no model_name or no litellm_params.model"
        ));
        return;
    };
    match upstream((position, entry), (name, id), &given, members, plan) {
        Ok(upstream) => {
            rest(position, entry, members);
            add(upstream, position, members, plan);
        }
        Err(why) => plan.left_out.push(format!("model_list[{position}]{why}")),
    }
}

/// The upstream that serves one model.
fn upstream(
    (position, entry): (usize, &Value),
    (name, model): (&str, &str),
    given: &Parameters<'_>,
    members: &mut Members,
    plan: &mut Plan,
) -> Result<Upstream, String> {
    let mut asked = split(model);
    if let Some(custom) = given.text("custom_llm_provider") {
        let id = model
            .strip_prefix(custom)
            .and_then(|rest| rest.strip_prefix('/'));
        asked.provider = custom;
        asked.id = id.unwrap_or(model);
    }
    if is_service(&asked) {
        return Err(format!(
            ": {model} is an agent or a document service, not a model"
        ));
    }
    let base = given
        .text("api_base")
        .or_else(|| given.text("base_url"))
        .filter(|base| !base.is_empty());
    let provider = provider(&asked, model, base)?;
    let address = address::address(provider, &asked, base)
        .map_err(|why| format!(".litellm_params.api_base: {why}"))?;
    let (models, note) = names(name, model, asked.id)?;
    plan.left_out
        .extend(note.map(|note| format!("model_list[{position}]{note}")));
    let key = key(
        (position, name),
        provider,
        given.text("api_key"),
        members,
        plan,
    );
    let regions = [
        "aws_region_name",
        "region_name",
        "vertex_location",
        "vertex_ai_location",
    ];
    let region = given
        .literal(&regions, position, plan)
        .or_else(|| asked.region.map(str::to_owned));
    let region = region.or_else(|| {
        let usual = usual_region(provider?)?;
        plan.left_out.push(format!(
            "model_list[{position}]: no region is named; {usual} was assumed, change region if it is another"
        ));
        Some(usual.to_owned())
    });
    let (api, api_version) = azure(
        (position, provider),
        address.api,
        address.api_version,
        given,
        plan,
    );
    Ok(Upstream {
        name: String::new(),
        provider: provider.map(str::to_owned),
        urls: address.urls,
        key,
        models,
        region,
        api,
        api_version,
        project: project(position, provider, given, members, plan),
        compartment: compartment(position, provider, given, plan),
        price: price(position, entry, members),
        context_tokens: context(position, entry, members),
    })
}

/// The form of Azure's API, and its version. LiteLLM asks for deployments wherever it names a version.
fn azure(
    (position, provider): (usize, Option<&str>),
    api: Option<&str>,
    version: Option<String>,
    given: &Parameters<'_>,
    plan: &mut Plan,
) -> (Option<String>, Option<String>) {
    let version = given.literal(&["api_version"], position, plan).or(version);
    if provider != Some("azure") {
        let lost = version.map(|version| {
            format!("model_list[{position}].litellm_params.api_version: {version}; only Azure has versions")
        });
        plan.left_out.extend(lost);
        return (None, None);
    }
    let is_date = |version: &String| version.starts_with(|c: char| c.is_ascii_digit());
    match (api, version) {
        // Anthropic's form and v1 have no versions.
        (None, None) => (None, None),
        (api, version) if api == Some("anthropic") || !version.as_ref().is_none_or(is_date) => {
            plan.left_out.extend(version.map(|version| {
                format!("model_list[{position}].litellm_params.api_version: {version}; this form of the API has none")
            }));
            (api.map(str::to_owned), None)
        }
        (api, version) => (Some(api.unwrap_or("deployments").to_owned()), version),
    }
}

/// Vertex's project, without which no request can be sent.
fn project(
    position: usize,
    provider: Option<&str>,
    given: &Parameters<'_>,
    members: &mut Members,
    plan: &mut Plan,
) -> Option<String> {
    let names = ["vertex_project", "vertex_ai_project"];
    if provider != Some("vertex") {
        for name in names {
            if given.own.get(name).is_some() {
                members.add(format!("litellm_params.{name}"), position);
            }
        }
        return None;
    }
    let named = names.iter().any(|name| given.text(name).is_some());
    given.literal(&names, position, plan).or_else(|| {
        if !named {
            plan.left_out.push(format!(
                "model_list[{position}]: no project is named; replace PROJECT in options"
            ));
        }
        Some("PROJECT".to_owned())
    })
}

/// OCI's compartment, without which no request can be sent.
fn compartment(
    position: usize,
    provider: Option<&str>,
    given: &Parameters<'_>,
    plan: &mut Plan,
) -> Option<String> {
    if provider != Some("oci") {
        return None;
    }
    let named = given.literal(&["oci_compartment_id"], position, plan);
    named.or_else(|| {
        plan.left_out.push(format!(
            "model_list[{position}]: no compartment is named; replace COMPARTMENT in options"
        ));
        Some("COMPARTMENT".to_owned())
    })
}

/// Our provider of a model. None: any server that speaks OpenAI's API.
fn provider(
    name: &Name<'_>,
    model: &str,
    base: Option<&str>,
) -> Result<Option<&'static str>, String> {
    match (provider_of(name.provider), base) {
        // LiteLLM writes openai/ for any server that speaks OpenAI's API.
        (Some("openai"), Some(base)) if !is_public(Some("openai"), base) => Ok(None),
        (Some(provider), _) => Ok(Some(provider)),
        (None, Some(_)) => Ok(None),
        (None, None) => Err(format!(
            ": the provider \"{}\" of {model} is not known; add an [[upstreams]] table with its urls",
            name.provider
        )),
    }
}

/// Names that clients use, each with the id that it stands for.
type Names = Vec<(String, String)>;

/// The names that clients use and the ids that they stand for, and what clients have to know of it. No names:
/// the upstream serves every model by its own name.
fn names(name: &str, model: &str, id: &str) -> Result<(Names, Option<String>), String> {
    match (name, id) {
        (name, id) if !name.contains('*') && !id.contains('*') => {
            Ok((vec![(name.to_owned(), id.to_owned())], None))
        }
        ("*", "*") => Ok((Vec::new(), None)),
        (name, "*") if name.ends_with("/*") => {
            let note = format!(
                ".model_name: clients leave out \"{}\" and use the provider's own names of models",
                name.trim_end_matches('*')
            );
            Ok((Vec::new(), Some(note)))
        }
        // The same names on both sides, such as claude-* for anthropic/claude-*.
        (name, id) if name == id || name == model => {
            let note = format!(
                ": the pattern {name}: the upstream serves every model, by the provider's own name"
            );
            Ok((Vec::new(), Some(note)))
        }
        _ => Err(format!(
            ": the pattern {name} for {model}; list the models in models = {{ }}"
        )),
    }
}

/// Whatever else an entry says.
fn rest(position: usize, entry: &Value, members: &mut Members) {
    for (member, _) in entry.as_object().into_iter().flatten() {
        if !["model_name", "litellm_params", "model_info"].contains(&member.as_str()) {
            members.add(member.clone(), position);
        }
    }
    let tables: [(&str, &[&str]); 2] = [("litellm_params", &TAKEN), ("model_info", &KNOWN_INFO)];
    for (table, known) in tables {
        for (member, _) in entry[table].as_object().into_iter().flatten() {
            if !known.contains(&member.as_str()) {
                members.add(format!("{table}.{member}"), position);
            }
        }
    }
}

/// What tokens of the prompt and of the answer cost, in millionths of a dollar per million. LiteLLM has
/// dollars per token, in either table. A price needs both.
fn price(position: usize, entry: &Value, members: &mut Members) -> Option<(u64, u64)> {
    let tables = ["model_info", "litellm_params"];
    let names = ["input_cost_per_token", "output_cost_per_token"];
    let [input, output] = names.map(|name| {
        let usd = tables
            .into_iter()
            .find_map(|table| number(&entry[table][name]))?;
        let price = (usd * 1e12).round();
        // A million dollars for a token is a mistake; below that every whole number is exact enough.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        (0.0..1e18).contains(&price).then_some(price as u64)
    });
    if let (Some(input), Some(output)) = (input, output) {
        return Some((input, output));
    }
    for table in tables {
        for name in names.iter().filter(|name| !entry[table][name].is_null()) {
            members.add(format!("{table}.{name}"), position);
        }
    }
    None
}

/// The most tokens of a prompt, as a number or as a text with one.
fn context(position: usize, entry: &Value, members: &mut Members) -> Option<u64> {
    let given = &entry["model_info"]["max_input_tokens"];
    let text = || given.as_str()?.trim().parse().ok();
    let tokens = given.as_u64().or_else(text).filter(|tokens| *tokens > 0);
    if tokens.is_none() && !given.is_null() {
        members.add("model_info.max_input_tokens".to_owned(), position);
    }
    tokens
}

/// YAML's `1.5e-7` is a text for some of its readers.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// The variable that holds a model's key.
fn key(
    (position, name): (usize, &str),
    provider: Option<&str>,
    given: Option<&str>,
    members: &mut Members,
    plan: &mut Plan,
) -> Option<String> {
    let Some(given) = given.filter(|given| !given.is_empty()) else {
        return provider.and_then(usual_key);
    };
    if let Some(variable) = variable(given) {
        return Some(variable.to_owned());
    }
    // Engines without keys get a word in the place of one.
    let own_engine = provider.is_none_or(|name| ["vllm", "ollama"].contains(&name));
    if own_engine && (given.len() < 12 || given.starts_with("sk-1234")) {
        return None;
    }
    // A secret in the file stays out of ours.
    if let Some(variable) = members.literals.get(given) {
        return Some(variable.clone());
    }
    let variable = format!("{}_API_KEY", screaming(name));
    plan.left_out.push(format!(
        "model_list[{position}].litellm_params.api_key is a literal secret: put it into the environment as {variable}"
    ));
    members.literals.insert(given.to_owned(), variable.clone());
    Some(variable)
}
