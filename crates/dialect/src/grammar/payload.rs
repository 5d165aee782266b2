//! Reads a payload of an answer by its format's table, for meter and guard: which strings are
//! output and to which stretch they belong, which values can't be read as text.

use super::walk::{Path, Step, member, number};
use super::{
    Axis, CUSTOM, Closes, ITEM_BITS, List, Mark, Names, Object, PART_BITS, Piece, Rule, SUMMARY,
    Said, WHOLE,
};
use crate::canonical::{Channel, FinishKind};
use crate::json::{Kind, Value};
use crate::payload::{Payload, PayloadError, TextDelta, wrong_type};

/// Reads an object into the payload, and says how many choices there are.
///
/// `whole` numbers the first text that comes whole; only its lower bits count.
///
/// # Errors
///
/// When a known member has a wrong type.
pub(crate) fn read(
    payload: &mut Payload,
    table: &'static Object,
    names: Names,
    whole: u32,
    root: Value<'_>,
) -> Result<usize, PayloadError> {
    let mut reader = Reader {
        payload,
        names,
        whole: WHOLE | whole,
        calls: 0,
        choices: 0,
    };
    let at = At {
        stretch: 0,
        call: 0,
        again: false,
        path: &Path::ROOT,
    };
    reader.object(table, root, at)?;
    Ok(reader.choices)
}

struct Reader<'p> {
    payload: &'p mut Payload,
    names: Names,
    /// The next stretch for what comes whole.
    whole: u32,
    /// Calls of this choice so far, where they are numbered as they come.
    calls: u32,
    choices: usize,
}

/// Where the reader stands.
#[derive(Clone, Copy)]
struct At<'p> {
    stretch: u32,
    call: u32,
    /// Texts are told a second time here.
    again: bool,
    path: &'p Path<'p>,
}

impl At<'_> {
    fn number(&mut self, axis: Axis, number: u32) {
        let part = (number & ((1 << PART_BITS) - 1)) << ITEM_BITS;
        match axis {
            Axis::Choice => self.stretch = number,
            Axis::Call => self.call = number,
            Axis::Block => (self.stretch, self.call) = (number, number),
            Axis::Item => {
                self.stretch = number & ((1 << ITEM_BITS) - 1);
                self.call = number;
            }
            Axis::Part => self.stretch |= part,
            Axis::Summary => self.stretch |= part | SUMMARY,
        }
    }

    fn wrong(&self, expected: &'static str, found: Value<'_>) -> PayloadError {
        wrong_type(self.path.text(), expected, found)
    }
}

/// How a choice has finished: it is told when all of the choice has been read.
type Finish = Option<(FinishKind, Closes)>;

impl Reader<'_> {
    // The depth of a document is bounded where it is parsed.
    fn object(
        &mut self,
        table: &'static Object,
        value: Value<'_>,
        mut at: At<'_>,
    ) -> Result<(), PayloadError> {
        if value.kind() != Kind::Object {
            if table.loose {
                self.unreadable(value);
                return Ok(());
            }
            return Err(at.wrong("an object", value));
        }
        let object = table.kind_of(value);
        let own = if std::ptr::eq(object, table) {
            &[]
        } else {
            object.numbers
        };
        for (name, axis) in table.numbers.iter().chain(own) {
            if let Some(found) = member(value, name, self.names) {
                let path = at.path.then(Step::Member(name));
                let wrong = || At { path: &path, ..at }.wrong("an index", found);
                at.number(*axis, number(found).ok_or_else(wrong)?);
            }
        }
        for mark in object.marks {
            self.mark(*mark, &mut at);
        }
        let mut finish = None;
        for (key, value) in value.members() {
            let name = (self.names)(key);
            let (known, rule) = object.rule(&name);
            if let (Some(known), Rule::Text(_, Piece::Twin)) = (known, rule) {
                self.payload.reasoning_name.get_or_insert(known);
            }
            if value.is_null() {
                continue;
            }
            let path = at.path.then(Step::Member(&name));
            self.member(rule, value, At { path: &path, ..at }, &mut finish)?;
        }
        if let Some((kind, closes)) = finish {
            self.payload.finished.push((at.stretch, kind));
            if closes == Closes::Yes {
                self.payload.closed.push(at.stretch);
            }
        }
        Ok(())
    }

    fn mark(&mut self, mark: Mark, at: &mut At<'_>) {
        match mark {
            Mark::Structure => self.payload.has_structure = true,
            Mark::Call => self.payload.has_tool_calls = true,
            Mark::NextCall => {
                self.payload.has_tool_calls = true;
                at.call = self.calls;
                self.calls += 1;
            }
            Mark::Ends => self.payload.terminal = true,
            Mark::Again => at.again = true,
            Mark::Closes => self.payload.closed.push(at.stretch),
        }
    }

    fn member(
        &mut self,
        rule: &'static Rule,
        value: Value<'_>,
        at: At<'_>,
        finish: &mut Finish,
    ) -> Result<(), PayloadError> {
        match rule {
            Rule::Text(said, piece) => return self.text(*said, *piece, value, at),
            Rule::JsonText => return self.text(Said::Arguments, Piece::Part, value, at),
            Rule::Json(piece) => self.json(*piece, value, at),
            Rule::Object(object) | Rule::Item(object) => return self.object(object, value, at),
            Rule::List(list) => return self.list(list, value, at),
            Rule::Usage(read) if value.kind() == Kind::Object => {
                self.payload.usage = read(value)?.or(self.payload.usage);
            }
            Rule::Finish(read, closes) => {
                let reason = value.as_str().ok_or_else(|| at.wrong("a string", value))?;
                *finish = read(&reason, self.calls > 0).map(|kind| (kind, *closes));
            }
            Rule::Any => {}
            // Some servers send empty ids and names with every fragment.
            Rule::Pointer | Rule::Name | Rule::ToolName if value.kind() == Kind::String => {
                self.payload.has_structure |= !value.is_str("");
                if matches!(rule, Rule::ToolName) {
                    self.payload.tool_names.push(value.span().start);
                }
            }
            Rule::Echo => self.payload.echoes.push(value.span().start),
            Rule::Known(kinds) if kinds.contains(&value.kind()) => {}
            Rule::If(holds_none) if holds_none(value) => {}
            Rule::Id if value.kind() == Kind::String => {
                self.payload.id = value.as_str().map(Into::into);
            }
            Rule::Model if value.kind() == Kind::String => {
                self.payload.model = value.as_str().map(Into::into);
            }
            Rule::Created if value.kind() == Kind::Number => {
                self.payload.created = Some(value.span());
            }
            _ => self.unreadable(value),
        }
        Ok(())
    }

    fn list(
        &mut self,
        list: &'static List,
        value: Value<'_>,
        at: At<'_>,
    ) -> Result<(), PayloadError> {
        if !list.fits(value) {
            if list.loose {
                self.unreadable(value);
                return Ok(());
            }
            return Err(at.wrong("an array", value));
        }
        for (position, item) in list.items(value).enumerate() {
            let path = at.path.then(Step::Item(position));
            let mut at = At { path: &path, ..at };
            if let Some(axis) = list.axis {
                let Some(number) = list.number(item, position, self.names) else {
                    let path = path.then(Step::Member(list.index.unwrap_or_default()));
                    let index = list.index.and_then(|name| member(item, name, self.names));
                    return Err(At { path: &path, ..at }.wrong("an index", index.unwrap_or(item)));
                };
                at.number(axis, number);
                if axis == Axis::Choice {
                    self.choices += 1;
                    self.calls = 0;
                }
            }
            self.object(list.of, item, at)?;
            if list.closes {
                self.payload.closed.push(at.stretch);
            }
        }
        Ok(())
    }

    fn text(
        &mut self,
        said: Said,
        piece: Piece,
        value: Value<'_>,
        at: At<'_>,
    ) -> Result<(), PayloadError> {
        let Some(text) = value.as_str() else {
            // Some servers send lists of parts; nothing here reads those.
            if matches!(value.kind(), Kind::Array | Kind::Object) {
                self.unreadable(value);
                return Ok(());
            }
            return Err(at.wrong("a string", value));
        };
        let channel = match said {
            Said::Content => Channel::Content,
            Said::Reasoning => Channel::Reasoning,
            Said::Refusal => Channel::Refusal,
            Said::Arguments | Said::Input => Channel::ToolArguments(at.call),
        };
        let stretch = match said {
            Said::Input => at.stretch | CUSTOM,
            _ => at.stretch,
        };
        let twin = self.payload.texts.iter_mut().find(|earlier| {
            piece == Piece::Twin
                && (earlier.choice, earlier.channel) == (stretch, channel)
                && earlier.text == text
                && earlier.twin.is_none()
        });
        match twin {
            Some(earlier) => earlier.twin = Some(value.span()),
            None => {
                let choice = self.stretch(stretch, piece, at.again);
                self.push(choice, channel, text.into_owned(), value, false);
            }
        }
        Ok(())
    }

    /// A call's arguments. Their text is as it stands; a string is what was no JSON.
    fn json(&mut self, piece: Piece, value: Value<'_>, at: At<'_>) {
        if piece == Piece::Begun && value.kind() == Kind::Object && value.members().next().is_none()
        {
            return;
        }
        let told = value.as_str();
        let raw = told.is_none();
        let text = told.map_or_else(|| value.raw().to_owned(), Into::into);
        let choice = self.stretch(at.stretch, piece, at.again);
        self.push(choice, Channel::ToolArguments(at.call), text, value, raw);
    }

    /// The stretch of a text: what comes whole has one of its own, and is complete.
    fn stretch(&mut self, stretch: u32, piece: Piece, again: bool) -> u32 {
        if piece != Piece::Whole && !again {
            return stretch;
        }
        let own = self.whole;
        self.whole = WHOLE | own.wrapping_add(1);
        if again {
            // Its pieces have all come, too.
            self.payload.closed.push(stretch);
        }
        self.payload.closed.push(own);
        own
    }

    fn push(&mut self, choice: u32, channel: Channel, text: String, value: Value<'_>, raw: bool) {
        self.payload.texts.push(TextDelta {
            choice,
            channel,
            text,
            span: value.span(),
            twin: None,
            raw,
        });
    }

    /// What may hold output. A list of nothing holds none.
    fn unreadable(&mut self, value: Value<'_>) {
        if value.kind() != Kind::Array || value.items().next().is_some() {
            self.payload.unreadable.push(value.span());
        }
    }
}
