//! What Hugging Face gives its chat templates beyond Jinja: `raise_exception`, `strftime_now`,
//! `tojson` without HTML's escapes, the tag `generation`, and Python's way to print.

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};

use crate::python::{Dumps, text};
use crate::strftime::strftime;

/// Begins the message of an error that the template raised itself.
pub(crate) const RAISED: &str = "raised: ";

/// The name of the variable that holds the time, in seconds since 1970.
pub(crate) const NOW: &str = "__forebay_now";

pub(crate) fn install(env: &mut Environment<'_>) {
    env.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    env.set_formatter(|out, _, value| {
        if let Some(plain) = value.as_str() {
            return out.write_str(plain).map_err(Error::from);
        }
        let mut written = String::new();
        text(value, &mut written);
        out.write_str(&written).map_err(Error::from)
    });
    env.add_function(
        "raise_exception",
        |message: Value| -> Result<Value, Error> {
            let mut said = String::from(RAISED);
            text(&message, &mut said);
            Err(Error::new(ErrorKind::InvalidOperation, said))
        },
    );
    env.add_function(
        "strftime_now",
        |state: &minijinja::State, format: String| {
            let now = state.lookup(NOW).and_then(|now| now.as_i64());
            strftime(&format, now.unwrap_or(0))
        },
    );
    // In Jinja texts and mappings are sequences, and nothing is iterable that Python can't iterate.
    env.add_test("sequence", |value: Value| {
        matches!(
            value.kind(),
            ValueKind::String | ValueKind::Seq | ValueKind::Map
        )
    });
    env.add_test("iterable", |value: Value| {
        matches!(
            value.kind(),
            ValueKind::String
                | ValueKind::Seq
                | ValueKind::Map
                | ValueKind::Iterable
                | ValueKind::Undefined
        )
    });
    env.add_filter("tojson", tojson);
    env.add_filter("string", |value: Value| {
        let mut out = String::new();
        text(&value, &mut out);
        out
    });
}

fn tojson(value: Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<Value> = options.get("indent")?;
    let separators: Option<Value> = options.get("separators")?;
    let part = |at: usize| -> Option<String> {
        let pair = separators.as_ref()?;
        let part = pair.get_item_by_index(at).ok()?;
        part.as_str().map(str::to_owned)
    };
    let dumps = Dumps {
        ensure_ascii: options
            .get::<Option<bool>>("ensure_ascii")?
            .unwrap_or(false),
        indent: indent.filter(|indent| !indent.is_none()).map(|indent| {
            match (indent.kind(), indent.as_str()) {
                (ValueKind::String, Some(text)) => text.to_owned(),
                // 16: deeper indents are no one's style.
                _ => " ".repeat(indent.as_usize().unwrap_or(0).min(16)),
            }
        }),
        separators: part(0).zip(part(1)),
        sort_keys: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
    };
    options.assert_all_used()?;
    dumps.write(&value).map(Value::from)
}

/// A template's source without the tags around what the assistant says, which count for training
/// alone. Their whitespace control stays.
pub(crate) fn without_generation(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let Some(end) = tag.find("%}") else {
            rest = tag;
            break;
        };
        let (tag, after) = tag.split_at(end + 2);
        let inner = &tag[2..tag.len() - 2];
        let word = inner.trim_matches(['-', '+']).trim();
        out.push_str(&match word {
            "generation" => tag.replacen("generation", "if true", 1),
            "endgeneration" => tag.replacen("endgeneration", "endif", 1),
            _ => tag.to_owned(),
        });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::without_generation;

    #[test]
    fn generation_tags_go_and_their_whitespace_control_stays() {
        assert_eq!(
            without_generation("a {%- generation -%} b {% endgeneration %}{% if generation %}"),
            "a {%- if true -%} b {% endif %}{% if generation %}"
        );
    }
}
