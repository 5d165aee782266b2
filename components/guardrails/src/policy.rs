//! The configured policy: rules in order and the automata of both directions.

use std::sync::Arc;

use crate::attacks::PHRASES;
use crate::bindings::exports::forebay::guardrails::guardrails::{Caller, Hit};
use crate::config::{Action, Config, Direction, Kind, Limits, RuleConfig, Unreadable};
use crate::engines::{Detector, Engines};
use crate::entities::{Check, ENTITIES, Group, names};
use crate::glob::fits;
use crate::patterns::Patterns;
use crate::regexes::Pattern;
use crate::resolve::Count;
use crate::words::{Term, Words, is_word};
use unicode_normalization::{UnicodeNormalization as _, is_nfd};

/// The most rules: each costs a few bytes in every request.
const MAX_RULES: usize = 1_024;

/// The most terms in all dictionaries: 100,000 terms take about 16 MiB of automaton.
const MAX_TERMS: usize = 100_000;

/// One rule, ready to be asked.
pub(crate) struct Rule {
    /// Its name.
    pub(crate) name: String,
    /// What it does.
    pub(crate) action: Action,
    /// It only counts.
    pub(crate) shadow: bool,
    /// Bounds on the prompt, for a limit rule.
    pub(crate) limits: Option<Limits>,
    /// It looks into what is encoded.
    pub(crate) decodes: bool,
    input: bool,
    output: bool,
    tenants: Vec<String>,
    keys: Vec<String>,
    routes: Vec<String>,
}

impl Rule {
    fn is_for(&self, caller: &Caller) -> bool {
        let any = |patterns: &[String], name: &str| {
            patterns.is_empty() || patterns.iter().any(|p| fits(p, name))
        };
        any(&self.tenants, &caller.tenant)
            && any(&self.keys, &caller.key)
            && any(&self.routes, &caller.route)
    }
}

/// All rules and automata.
#[derive(Default)]
pub(crate) struct Policy {
    /// In the order of the configuration.
    pub(crate) rules: Vec<Rule>,
    /// What prompts are judged with.
    pub(crate) input: Arc<Engines>,
    /// What output is judged with.
    pub(crate) output: Arc<Engines>,
    /// The most bytes of output that are held back from the start of a possible match.
    pub(crate) hold_bytes: usize,
    /// What becomes of what no rule can read.
    pub(crate) unreadable: Unreadable,
}

impl Policy {
    /// Reads the configuration and builds the automata.
    ///
    /// # Errors
    ///
    /// A sentence that names the field or rule and what is wrong with it.
    pub(crate) fn parse(json: &str) -> Result<Self, String> {
        let mut config = Config::parse(json)?;
        if let Some(limits) = config.limits {
            config.rules.insert(0, limits_rule(limits));
        }
        let error = |e: String| format!("guardrails configuration: {e}");
        if config.rules.len() > MAX_RULES {
            return Err(error(format!(
                "{} rules, over the limit of {MAX_RULES}",
                config.rules.len()
            )));
        }
        let mut rules: Vec<Rule> = Vec::with_capacity(config.rules.len());
        for rule in &config.rules {
            let built =
                build_rule(rule).map_err(|e| error(format!("rule \"{}\": {e}", rule.name)))?;
            if rules.iter().any(|other| other.name == built.name) {
                return Err(error(format!("two rules have the name \"{}\"", rule.name)));
            }
            rules.push(built);
        }
        let select = |wanted: fn(&Rule) -> bool| -> Vec<usize> {
            (0..rules.len()).filter(|i| wanted(&rules[*i])).collect()
        };
        let (ins, outs) = (select(|r| r.input), select(|r| r.output));
        let content = |indices: &[usize]| -> Vec<usize> {
            indices
                .iter()
                .copied()
                .filter(|i| config.rules[*i].kind != Kind::Limit)
                .collect()
        };
        let input = Arc::new(engines(&config.rules, &content(&ins)).map_err(error)?);
        let output = if content(&ins) == content(&outs) {
            input.clone()
        } else {
            Arc::new(engines(&config.rules, &content(&outs)).map_err(error)?)
        };
        Ok(Self {
            rules,
            input,
            output,
            hold_bytes: config.output.hold_bytes,
            unreadable: config.unreadable,
        })
    }

    /// Which rules apply to this caller's prompts.
    pub(crate) fn for_input(&self, caller: &Caller) -> Vec<bool> {
        self.rules
            .iter()
            .map(|r| r.input && r.is_for(caller))
            .collect()
    }

    /// Which rules apply to this caller's answers.
    pub(crate) fn for_output(&self, caller: &Caller) -> Vec<bool> {
        self.rules
            .iter()
            .map(|r| r.output && r.is_for(caller))
            .collect()
    }

    /// Of the rules that apply, those that look into what is encoded.
    pub(crate) fn decoding(&self, active: &[bool]) -> Vec<bool> {
        let rules = self.rules.iter().zip(active);
        rules
            .map(|(rule, active)| *active && rule.decodes)
            .collect()
    }

    /// Of the rules that apply, those that can change something.
    pub(crate) fn strict(&self, active: &[bool]) -> Vec<bool> {
        self.rules
            .iter()
            .zip(active)
            .map(|(rule, active)| *active && !rule.shadow && rule.action != Action::Allow)
            .collect()
    }

    /// Names the set of rules that apply: two callers to whom the same rules apply have the same
    /// name. One letter a rule, in their order: for prompts, answers, both, or neither.
    pub(crate) fn scope(&self, input: &[bool], output: &[bool]) -> String {
        let letter = |((rule, input), output): ((&Rule, &bool), &bool)| match (*input, *output) {
            _ if rule.shadow => '-',
            (true, true) => 'b',
            (true, false) => 'i',
            (false, true) => 'o',
            (false, false) => '-',
        };
        let all: String = self
            .rules
            .iter()
            .zip(input)
            .zip(output)
            .map(letter)
            .collect();
        all.trim_end_matches('-').to_owned()
    }

    /// The counts as hits; takes them.
    pub(crate) fn hits(&self, counts: &mut [Count]) -> Vec<Hit> {
        self.rules
            .iter()
            .zip(counts)
            .filter(|(_, count)| count.0 > 0)
            .map(|(rule, count)| Hit {
                rule: rule.name.clone(),
                action: rule.action.name().to_owned(),
                count: std::mem::take(count).0,
                shadow: rule.shadow,
            })
            .collect()
    }
}

fn limits_rule(limits: Limits) -> RuleConfig {
    RuleConfig {
        name: "limits".to_owned(),
        kind: Kind::Limit,
        action: None,
        apply: None,
        tenants: Vec::new(),
        keys: Vec::new(),
        routes: Vec::new(),
        shadow: false,
        label: None,
        case_insensitive: None,
        whole_word: None,
        terms: Vec::new(),
        pattern: None,
        patterns: Vec::new(),
        entities: Vec::new(),
        decode: false,
        limits: Some(limits),
    }
}

/// Whether text is a label: upper-case letters, digits and `_`.
fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// Checks one rule's fields against its kind.
fn build_rule(rule: &RuleConfig) -> Result<Rule, String> {
    if rule.name.is_empty() {
        return Err("name is empty".to_owned());
    }
    if let Some(label) = rule.label.as_ref().filter(|label| !is_label(label)) {
        return Err(format!(
            "label is \"{label}\", but a label has upper-case letters, digits and _"
        ));
    }
    let patterned = rule.pattern.is_some() || !rule.patterns.is_empty();
    let fields = [
        (
            "terms",
            !rule.terms.is_empty(),
            rule.kind == Kind::Dictionary,
            true,
        ),
        ("pattern", patterned, rule.kind == Kind::Regex, true),
        (
            "entities",
            !rule.entities.is_empty(),
            matches!(rule.kind, Kind::Pii | Kind::Secrets),
            false,
        ),
        ("decode", rule.decode, rule.kind != Kind::Limit, false),
        (
            "limits",
            rule.limits.is_some(),
            rule.kind == Kind::Limit,
            true,
        ),
    ];
    for (field, given, belongs, needed) in fields {
        if given && !belongs {
            return Err(format!("{field} does not belong to a rule of this kind"));
        }
        if needed && belongs && !given {
            return Err(format!("{field} is missing"));
        }
    }
    let input_only = matches!(rule.kind, Kind::Limit | Kind::PromptAttack);
    let both = [Direction::Input, Direction::Output];
    let apply = match &rule.apply {
        Some(apply) if apply.is_empty() => return Err("apply is empty".to_owned()),
        Some(apply) if input_only && apply.contains(&Direction::Output) => {
            return Err("apply has \"output\", but this kind judges prompts alone".to_owned());
        }
        Some(apply) => apply.as_slice(),
        None if input_only => &both[..1],
        None => &both,
    };
    let default = if input_only {
        Action::Deny
    } else {
        Action::Mask
    };
    let action = rule.action.unwrap_or(default);
    if rule.kind == Kind::Limit && action != Action::Deny {
        return Err("action of a limit can only be \"deny\"".to_owned());
    }
    Ok(Rule {
        name: rule.name.clone(),
        action,
        shadow: rule.shadow,
        limits: rule.limits,
        decodes: rule.decode,
        input: apply.contains(&Direction::Input),
        output: apply.contains(&Direction::Output),
        tenants: rule.tenants.clone(),
        keys: rule.keys.clone(),
        routes: rule.routes.clone(),
    })
}

/// The rule's label where it has none: its name in the alphabet of labels.
fn label(rule: &RuleConfig) -> String {
    rule.label.clone().unwrap_or_else(|| {
        rule.name
            .chars()
            .map(|c| match c.to_ascii_uppercase() {
                c @ ('A'..='Z' | '0'..='9') => c,
                _ => '_',
            })
            .collect()
    })
}

/// Collects what the rules look for, then builds each automaton once.
#[derive(Default)]
struct Plan {
    detectors: Vec<Detector>,
    at_word: Vec<Term>,
    anywhere: Vec<Term>,
    builtin: Vec<(usize, Vec<u16>)>,
    patterns: Vec<Pattern>,
}

impl Plan {
    fn detector(&mut self, rule: usize, label: String) -> Result<u16, String> {
        let too_many = |_| "too many detectors".to_owned();
        let index = u16::try_from(self.detectors.len()).map_err(too_many)?;
        self.detectors.push(Detector {
            rule: u16::try_from(rule).map_err(too_many)?,
            label,
        });
        Ok(index)
    }

    fn terms<'a>(
        &mut self,
        detector: u16,
        rule: &RuleConfig,
        terms: impl Iterator<Item = &'a str>,
    ) -> Result<(), String> {
        let whole = rule.whole_word.unwrap_or(true);
        for text in terms {
            // As texts are looked at: a term may be written in any form.
            let text: String = text.nfkc().collect();
            let (Some(first), Some(last)) = (text.chars().next(), text.chars().next_back()) else {
                return Err("terms has an empty term".to_owned());
            };
            let term = Term {
                text,
                detector,
                any_case: rule.case_insensitive.unwrap_or(true),
                word_end: whole && is_word(last),
            };
            if whole && is_word(first) {
                self.at_word.push(term);
            } else {
                self.anywhere.push(term);
            }
        }
        if self.at_word.len() + self.anywhere.len() > MAX_TERMS {
            return Err(format!(
                "terms go over the limit of {MAX_TERMS} in all rules"
            ));
        }
        Ok(())
    }

    fn entities(&mut self, index: usize, rule: &RuleConfig, group: Group) -> Result<(), String> {
        let known = names(group);
        let wanted: Vec<&str> = if rule.entities.is_empty() {
            known.clone()
        } else {
            rule.entities.iter().map(String::as_str).collect()
        };
        for name in wanted {
            if !known.contains(&name) {
                return Err(format!(
                    "entities has \"{name}\", but the known ones are {}",
                    known.join(", ")
                ));
            }
            let label = rule.label.clone().unwrap_or_else(|| name.to_owned());
            let detector = self.detector(index, label)?;
            for (entity, _) in ENTITIES.iter().enumerate().filter(|(_, e)| e.name == name) {
                match self.builtin.iter_mut().find(|(known, _)| *known == entity) {
                    Some((_, detectors)) => detectors.push(detector),
                    None => self.builtin.push((entity, vec![detector])),
                }
            }
        }
        Ok(())
    }

    fn regexes(&mut self, index: usize, rule: &RuleConfig) -> Result<(), String> {
        let any_case = rule.case_insensitive.unwrap_or(false);
        for source in rule.pattern.iter().chain(&rule.patterns) {
            let detector = self.detector(index, label(rule))?;
            let pattern = Pattern::build(source, any_case, detector)
                .map_err(|e| format!("pattern \"{source}\": {e}"))?;
            self.patterns.push(pattern);
        }
        Ok(())
    }
}

/// Builds the automata of these rules.
fn engines(rules: &[RuleConfig], indices: &[usize]) -> Result<Engines, String> {
    let mut plan = Plan::default();
    for index in indices {
        let rule = &rules[*index];
        let built = match rule.kind {
            Kind::Limit => Ok(()),
            Kind::Pii => plan.entities(*index, rule, Group::Pii),
            Kind::Secrets => plan.entities(*index, rule, Group::Secrets),
            Kind::Regex => plan.regexes(*index, rule),
            Kind::Dictionary => plan
                .detector(*index, label(rule))
                .and_then(|d| plan.terms(d, rule, rule.terms.iter().map(String::as_str))),
            Kind::PromptAttack => plan
                .detector(*index, label(rule))
                .and_then(|d| plan.terms(d, rule, PHRASES.iter().copied())),
        };
        built.map_err(|e| format!("rule \"{}\": {e}", rule.name))?;
    }
    plan.builtin.sort_unstable();
    let terms = plan.at_word.iter().chain(&plan.anywhere);
    let mut terms = terms.map(|term| term.text.as_str());
    let mut patterns = indices.iter().filter_map(|index| rules.get(*index));
    // What a pattern of other letters may match is not worked out.
    let composed = terms.any(|text| !is_nfd(text))
        || patterns.any(|rule| {
            rule.pattern
                .iter()
                .chain(&rule.patterns)
                .any(|p| !p.is_ascii())
        });
    let mut scans = Vec::new();
    plan.builtin.retain(|(entity, detectors)| {
        if let Check::Scan(scan) = ENTITIES[*entity].check {
            scans.push((scan, detectors.clone()));
            return false;
        }
        true
    });
    Ok(Engines::new(
        plan.detectors,
        Words::build(plan.at_word)?,
        Words::build(plan.anywhere)?,
        Patterns::build(plan.builtin)?,
        scans,
        plan.patterns,
    )
    .composed(composed))
}
