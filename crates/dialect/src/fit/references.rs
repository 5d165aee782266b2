//! References in schemas for Google's models. Google takes none with members beside them, and none
//! that leads back to itself through what is required: those that end are replaced by what they
//! refer to.

use std::borrow::Cow;

use super::Fitted;
use crate::exchange::{ChatRequest, Grade, Lost, OutputFormat};
use crate::json::{Document, Kind, Value, write};

/// The longest schema that references are replaced in: 1 MiB.
const LONGEST: usize = 1 << 20;
const ENDLESS: &str =
    "it refers to itself through required members, which Google's models don't take";
const NOWHERE: &str = "what it refers to is not in the same schema";
const TOO_LONG: &str = "with its references replaced it is longer than 1 MiB";

pub(super) fn fit(request: &mut ChatRequest<'_>, fitted: &mut Fitted) {
    let mut lost = Vec::new();
    for (at, tool) in request.tools.iter_mut().enumerate() {
        let was = fitted.tools.get(at).copied().unwrap_or(at);
        if let Some(schema) = &mut tool.parameters {
            replace(schema, &format!("tools[{was}].parameters"), &mut lost);
        }
    }
    if let Some(OutputFormat::JsonSchema { schema, .. }) = &mut request.output {
        replace(schema, "response_format.json_schema.schema", &mut lost);
    }
    fitted.lost.append(&mut lost);
}

fn replace(schema: &mut Cow<'_, str>, name: &str, lost: &mut Vec<Lost>) {
    match without_references(schema) {
        Ok(Some(replaced)) => *schema = Cow::Owned(replaced),
        Ok(None) => {}
        Err((path, why)) => {
            let mut refused = Lost::new(format!("{name}{path}"), why);
            refused.grade = Grade::Refused;
            lost.push(refused);
        }
    }
}

/// Why a reference can't be replaced.
enum Stop {
    /// Where it stands, and why the schema is refused.
    At(String, &'static str),
    /// It leads back to itself through what is not required: Google's models take it as it is.
    Recursive,
}

/// The schema without references. None where it stays as it stands.
fn without_references(schema: &str) -> Result<Option<String>, (String, &'static str)> {
    let has = |name: &str| memchr::memmem::find(schema.as_bytes(), name.as_bytes()).is_some();
    if !["\"$ref\"", "\"$schema\"", "\"$defs\"", "\"definitions\""]
        .iter()
        .any(|name| has(name))
    {
        return Ok(None);
    }
    let Ok(document) = Document::parse(schema.as_bytes()) else {
        return Ok(None);
    };
    let mut walk = Walk {
        root: document.root(),
        open: Vec::new(),
        optional: 0,
        path: String::new(),
    };
    let mut out = String::with_capacity(schema.len());
    match walk.schema(document.root(), &mut out) {
        Ok(()) => Ok(Some(out)),
        Err(Stop::Recursive) => Ok(None),
        Err(Stop::At(path, why)) => Err((path, why)),
    }
}

struct Walk<'d> {
    root: Value<'d>,
    /// Where what was referred to begins, and how many members that may be absent were around it.
    open: Vec<(u32, usize)>,
    optional: usize,
    path: String,
}

/// What a schema's member holds.
enum Holds {
    Schema,
    Schemas,
    Named,
    Other,
}

fn holds(name: &str, value: Value<'_>) -> Holds {
    match (name, value.kind()) {
        ("properties" | "patternProperties" | "dependentSchemas", Kind::Object) => Holds::Named,
        ("anyOf" | "oneOf" | "allOf" | "prefixItems" | "items", Kind::Array) => Holds::Schemas,
        (
            "items"
            | "additionalProperties"
            | "contains"
            | "propertyNames"
            | "not"
            | "if"
            | "then"
            | "else",
            Kind::Object,
        ) => Holds::Schema,
        _ => Holds::Other,
    }
}

impl<'d> Walk<'d> {
    fn stop(&self, why: &'static str) -> Stop {
        Stop::At(self.path.clone(), why)
    }

    /// Goes on within a member.
    fn within<R>(&mut self, name: &str, go: impl FnOnce(&mut Self) -> R) -> R {
        let before = self.path.len();
        self.path.push('.');
        self.path.push_str(name);
        let result = go(self);
        self.path.truncate(before);
        result
    }

    /// Writes a schema as the next value.
    fn schema(&mut self, schema: Value<'d>, out: &mut String) -> Result<(), Stop> {
        if out.len() > LONGEST {
            return Err(self.stop(TOO_LONG));
        }
        if schema.kind() != Kind::Object {
            write::value(out, schema.raw());
            return Ok(());
        }
        let opened = self.open.len();
        let result = write::braces(out, |out| self.members(schema, out));
        self.open.truncate(opened);
        result
    }

    /// The schema's members, and those of what it refers to.
    fn members(&mut self, schema: Value<'d>, out: &mut String) -> Result<(), Stop> {
        let mut said: Vec<Cow<'d, str>> = Vec::new();
        let mut next = Some(schema);
        while let Some(schema) = next.take() {
            for (key, value) in schema.members() {
                let name = key.as_str().unwrap_or_default();
                match name.as_ref() {
                    "$ref" if value.kind() == Kind::String => next = Some(self.referred(value)?),
                    "$schema" | "$defs" | "definitions" => {}
                    _ if said.contains(&name) => {}
                    _ => {
                        self.within(&name, |walk| walk.member(schema, &name, value, out))?;
                        said.push(name);
                    }
                }
            }
        }
        Ok(())
    }

    fn member(
        &mut self,
        schema: Value<'d>,
        name: &str,
        value: Value<'d>,
        out: &mut String,
    ) -> Result<(), Stop> {
        write::name(out, name);
        match holds(name, value) {
            Holds::Schema => self.schema(value, out),
            Holds::Schemas => write::brackets(out, |out| {
                value.items().try_for_each(|inner| self.schema(inner, out))
            }),
            Holds::Named => write::braces(out, |out| {
                for (key, inner) in value.members() {
                    let name = key.as_str().unwrap_or_default();
                    let required = schema
                        .each("required")
                        .any(|required| required.is_str(&name));
                    let before = self.optional;
                    self.optional += usize::from(!required);
                    write::name(out, &name);
                    self.within(&name, |walk| walk.schema(inner, out))?;
                    self.optional = before;
                }
                Ok(())
            }),
            Holds::Other => {
                write::value(out, value.raw());
                Ok(())
            }
        }
    }

    /// What a reference stands for, which is open from then on.
    fn referred(&mut self, reference: Value<'d>) -> Result<Value<'d>, Stop> {
        let path = reference.as_str().unwrap_or_default();
        let inside = path.strip_prefix('#').ok_or_else(|| self.stop(NOWHERE))?;
        let mut at = self.root;
        for name in inside.split('/').skip(1) {
            let name = name.replace("~1", "/").replace("~0", "~");
            let item = || at.items().nth(name.parse().ok()?);
            at = at
                .get(&name)
                .or_else(item)
                .ok_or_else(|| self.stop(NOWHERE))?;
        }
        let start = at.span().start;
        if let Some((_, optional)) = self.open.iter().find(|(open, _)| *open == start) {
            return Err(match self.optional > *optional {
                true => Stop::Recursive,
                false => self.stop(ENDLESS),
            });
        }
        self.open.push((start, self.optional));
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn references_that_end_are_replaced_and_members_beside_them_win() {
        let cases = [
            (
                r##"{"$schema":"x","type":"object","properties":{"a":{"$ref":"#/$defs/A","description":"mine"},"$ref":{"type":"string"}},"$defs":{"A":{"description":"its","$ref":"#/$defs/B"},"B":{"type":"array","items":{"$ref":"#/definitions/c~1d"}}},"definitions":{"c/d":{"enum":["$ref"]}}}"##,
                r##"{"type":"object","properties":{"a":{"description":"mine","type":"array","items":{"enum":["$ref"]}},"$ref":{"type":"string"}}}"##,
            ),
            (
                r##"{"$ref":"#/$defs/A","$defs":{"A":{"type":"object","properties":{"x":{"$ref":"#/$defs/B"},"y":{"$ref":"#/$defs/B"}}},"B":{"type":"integer"}}}"##,
                r##"{"type":"object","properties":{"x":{"type":"integer"},"y":{"type":"integer"}}}"##,
            ),
            (
                r##"{"anyOf":[{"$ref":"#/properties/a"},{"type":"null"}],"properties":{"a":{"type":"string"}}}"##,
                r##"{"anyOf":[{"type":"string"},{"type":"null"}],"properties":{"a":{"type":"string"}}}"##,
            ),
        ];
        for (schema, expected) in cases {
            let replaced = without_references(schema).unwrap();
            assert_eq!(replaced.as_deref(), Some(expected), "{schema}");
        }
        assert_eq!(without_references(r#"{"type":"object"}"#), Ok(None));
    }

    #[test]
    fn recursion_stays_where_google_takes_it_and_is_refused_with_its_path_elsewhere() {
        let node = |required: &str| {
            format!(
                r##"{{"$ref":"#/$defs/N","$defs":{{"N":{{"type":"object","properties":{{"of":{{"type":"array","items":{{"$ref":"#/$defs/N"}}}}}},"required":[{required}]}}}}}}"##
            )
        };
        assert_eq!(without_references(&node("")), Ok(None));
        let refused = without_references(&node("\"of\""));
        assert_eq!(refused, Err((".properties.of.items".to_owned(), ENDLESS)));
    }

    #[test]
    fn what_is_elsewhere_or_grows_without_bound_is_refused() {
        for elsewhere in [
            r#"{"items":{"$ref":"https://a/b"}}"#,
            r##"{"items":{"$ref":"#/$defs/X"}}"##,
        ] {
            let refused = without_references(elsewhere);
            assert_eq!(refused, Err((".items".to_owned(), NOWHERE)));
        }
        let mut schema = String::from(r##"{"$ref":"#/$defs/0","$defs":{"40":{"type":"string"}"##);
        for at in 0..40 {
            let next = at + 1;
            schema.push_str(&format!(
                r##","{at}":{{"properties":{{"a":{{"$ref":"#/$defs/{next}"}},"b":{{"$ref":"#/$defs/{next}"}}}}}}"##
            ));
        }
        schema.push_str("}}");
        assert!(matches!(without_references(&schema), Err((_, TOO_LONG))));
    }
}
