//! Takes a whole object of an answer apart, by the format's table: into what a stream of it begins
//! with, and the pieces that follow. The reverse of [`super::gather`].

use std::borrow::Cow;

use super::{Object, Rule};
use crate::fields::name_of;
use crate::json::{Kind, Value, json_string, write};

/// A member that a stream tells in pieces.
pub(crate) struct Apart<'d> {
    pub(crate) name: &'static str,
    pub(crate) value: Value<'d>,
    /// What a piece of it is called: the kind of the object that brings it, and its member there.
    pub(crate) piece: (&'static str, &'static str),
    rule: &'static Rule,
}

impl Apart<'_> {
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.rule, Rule::Text(..))
    }

    /// What stands for it until its pieces come.
    pub(crate) fn nothing(&self) -> &'static str {
        match self.rule {
            Rule::Item(_) => "[]",
            Rule::JsonText => "{}",
            _ => "\"\"",
        }
    }

    /// Its pieces, as JSON.
    pub(crate) fn pieces(&self) -> Vec<Cow<'_, str>> {
        let value = self.value;
        match (self.rule, value.kind()) {
            (Rule::Item(_), Kind::Array) => value.items().map(|item| item.raw().into()).collect(),
            (Rule::JsonText, Kind::Object) => vec![json_string(value.raw()).into()],
            _ => vec![value.raw().into()],
        }
    }
}

/// The members of a whole object that its stream tells in pieces and that say something. `pieces`
/// is what a stream adds to such an object; they come in its order.
pub(crate) fn apart<'d>(
    whole: Value<'d>,
    table: &'static Object,
    pieces: &'static Object,
) -> Vec<Apart<'d>> {
    let table = table.kind_of(whole);
    let of_kinds = pieces.kinds.iter().map(|(kind, of)| (*kind, *of));
    let members = std::iter::once(("", pieces)).chain(of_kinds);
    let members = members.flat_map(|(kind, of)| of.members.iter().map(move |m| (kind, of, m)));
    let found = members.filter_map(|(kind, of, (piece, rule))| {
        let name = of.whole_name(piece);
        let value = whole.some(name).filter(|value| says_something(*value))?;
        let known = table.rule(name).0.is_some();
        (known && comes_in_pieces(rule)).then_some(Apart {
            name,
            value,
            piece: (kind, piece),
            rule,
        })
    });
    found.collect()
}

fn comes_in_pieces(rule: &Rule) -> bool {
    let is_listed = |rule: &Rule| matches!(rule, Rule::List(list) if list.axis.is_some());
    let is_object = matches!(rule, Rule::Item(_) | Rule::Object(_));
    let is_text = matches!(rule, Rule::Text(..) | Rule::JsonText | Rule::Name);
    is_text || is_object || is_listed(rule)
}

fn says_something(value: Value<'_>) -> bool {
    let is_empty = value.kind() == Kind::Array && value.items().next().is_none();
    !is_empty && !value.is_str("")
}

/// Writes what a stream begins the object with: `instead` gives what stands for a member that
/// follows in pieces; without that it is left out.
pub(crate) fn begin(
    whole: Value<'_>,
    apart: &[Apart<'_>],
    instead: impl Fn(&Apart<'_>) -> Option<&'static str>,
    out: &mut String,
) {
    for (key, value) in whole.members() {
        let name = name_of(key);
        match apart.iter().find(|apart| apart.name == name) {
            None => write::kept(out, key, value.raw()),
            Some(apart) => {
                if let Some(instead) = instead(apart) {
                    write::kept(out, key, instead);
                }
            }
        }
    }
}
