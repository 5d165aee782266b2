//! What each member of a format's JSON is: a table for each format, `grammar.rs` in its folder,
//! and what is read by such a table.
//!
//! A table lists what is known. What it does not list is unreadable, so that a new field of an
//! upstream can't carry output past a guard. [`payload`] reads answers for meter and guard,
//! [`gather`] makes one answer of a stream's events, [`prompt`] reads the content of requests for
//! policies.

pub(crate) mod gather;
pub(crate) mod payload;
pub(crate) mod prompt;
#[cfg(test)]
mod tests;
mod walk;

use std::borrow::Cow;

use crate::canonical::{FinishKind, Usage};
use crate::json::{Kind, Value};
use crate::payload::PayloadError;

/// How a format spells the names of members.
pub(crate) type Names = for<'d> fn(Value<'d>) -> Cow<'d, str>;

/// What a member is.
#[derive(Clone, Copy)]
pub(crate) enum Rule {
    /// A string that is output text.
    Text(Said, Piece),
    /// The arguments of a call as JSON, or as a string where they are none.
    Json(Piece),
    /// A piece of such JSON, as text.
    JsonText,
    /// A string that names or points. Dropping the payload loses it, unless it is empty.
    Pointer,
    /// The same, and a stream may send it in pieces.
    Name,
    /// The name of a tool that is called, as above.
    ToolName,
    /// What stands where upstreams repeat the request.
    Echo,
    /// A value of one of these kinds that holds no output.
    Known(&'static [Kind]),
    /// A value that holds no output, whatever its kind.
    Any,
    /// A value that holds no output if this says so.
    If(fn(Value<'_>) -> bool),
    /// Token counts.
    Usage(fn(Value<'_>) -> Result<Option<Usage>, PayloadError>),
    /// The word for the end, with the function that reads it. It is told whether the choice has
    /// calls, and whether the stretch is complete with it is the last field.
    Finish(fn(&str, bool) -> Option<FinishKind>, Closes),
    /// The answer's id.
    Id,
    /// The answer's model.
    Model,
    /// The time of the answer, as OpenAI counts it.
    Created,
    /// An object.
    Object(&'static Object),
    /// A list of objects.
    List(&'static List),
    /// One more object of a list.
    Item(&'static Object),
    /// What may hold output and can't be read as text, and what its pieces amount to.
    Unreadable(Gather),
}

pub(crate) const CONTENT: Rule = Rule::Text(Said::Content, Piece::Part);
pub(crate) const REASONING: Rule = Rule::Text(Said::Reasoning, Piece::Part);
pub(crate) const REFUSAL: Rule = Rule::Text(Said::Refusal, Piece::Part);
pub(crate) const ARGUMENTS: Rule = Rule::Text(Said::Arguments, Piece::Part);
pub(crate) const STRING: Rule = Rule::Known(&[Kind::String]);
pub(crate) const NUMBER: Rule = Rule::Known(&[Kind::Number]);
pub(crate) const BOOL: Rule = Rule::Known(&[Kind::Bool]);
pub(crate) const ARRAY: Rule = Rule::Known(&[Kind::Array]);
pub(crate) const OBJECT: Rule = Rule::Known(&[Kind::Object]);

/// Who speaks in a text.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Said {
    Content,
    Reasoning,
    Refusal,
    /// The arguments of a call.
    Arguments,
    /// The input of a custom tool, beside a function's arguments of the same number.
    Input,
}

/// How a text relates to its stretch.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Piece {
    /// A piece of it.
    Part,
    /// The same, and the text may stand here a second time under another name.
    Twin,
    /// A stretch of its own, complete at once.
    Whole,
    /// What stands in the place of pieces that follow: where it is empty it says nothing.
    Begun,
}

/// Whether a choice's stretch is complete when it has finished.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Closes {
    Yes,
    No,
}

/// What the pieces of an unreadable member amount to in the whole answer.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Gather {
    /// The last, as it is; an empty string doesn't count where there was another.
    Last,
    /// Lists joined.
    Items,
    /// One object, whose lists are joined.
    Lists,
    /// Nothing: nobody knows where it belongs.
    Nothing,
}

/// An object: what its members are.
#[derive(Clone, Copy)]
pub(crate) struct Object {
    members: &'static [(&'static str, Rule)],
    /// Members that hold no output, whatever they are.
    others: &'static [&'static str],
    /// Where members are looked up that are not among those.
    base: Option<&'static Object>,
    /// What is in neither.
    otherwise: Rule,
    /// The member whose value decides which of `kinds` the object is.
    tag: &'static str,
    /// What the object is by its tag: the object itself where none fits.
    kinds: &'static [(&'static str, &'static Object)],
    /// Members that tell which stretch the object is about.
    numbers: &'static [(&'static str, Axis)],
    /// What it means that the object is there.
    marks: &'static [Mark],
    /// What is no object is unreadable here, and no error.
    loose: bool,
    /// Members whose pieces are told under another name than the whole: both names. Without the
    /// second the whole has no such member.
    whole_names: &'static [(&'static str, &'static str)],
}

impl Object {
    /// An object with these members. What is not listed is unreadable.
    pub(crate) const fn of(members: &'static [(&'static str, Rule)]) -> Object {
        Object {
            members,
            others: &[],
            base: None,
            otherwise: Rule::Unreadable(Gather::Last),
            tag: "type",
            kinds: &[],
            numbers: &[],
            marks: &[],
            loose: false,
            whole_names: &[],
        }
    }

    /// The same with members that hold no output, whatever they are.
    pub(crate) const fn others(self, others: &'static [&'static str]) -> Object {
        Object { others, ..self }
    }

    pub(crate) const fn members(self, members: &'static [(&'static str, Rule)]) -> Object {
        Object { members, ..self }
    }

    pub(crate) const fn base(self, base: &'static Object) -> Object {
        let base = Some(base);
        Object { base, ..self }
    }

    pub(crate) const fn otherwise(self, otherwise: Rule) -> Object {
        Object { otherwise, ..self }
    }

    pub(crate) const fn kinds(
        self,
        tag: &'static str,
        kinds: &'static [(&'static str, &'static Object)],
    ) -> Object {
        Object { tag, kinds, ..self }
    }

    pub(crate) const fn numbers(self, numbers: &'static [(&'static str, Axis)]) -> Object {
        Object { numbers, ..self }
    }

    pub(crate) const fn marks(self, marks: &'static [Mark]) -> Object {
        Object { marks, ..self }
    }

    pub(crate) const fn loose(self) -> Object {
        let loose = true;
        Object { loose, ..self }
    }

    pub(crate) const fn whole_names(
        self,
        whole_names: &'static [(&'static str, &'static str)],
    ) -> Object {
        Object {
            whole_names,
            ..self
        }
    }
}

/// A list of objects.
#[derive(Clone, Copy)]
pub(crate) struct List {
    of: &'static Object,
    /// What an object's number in the list counts.
    axis: Option<Axis>,
    /// The member that tells the number; else it is the position.
    index: Option<&'static str>,
    /// Each object is complete where it stands.
    closes: bool,
    /// What is no list, or no object in it, is unreadable here, and no error.
    loose: bool,
    /// One object may stand without brackets.
    alone: bool,
    /// Whether the whole answer's list still tells each object's number.
    keeps_index: bool,
    /// Texts that follow each other are one, whatever event they come in.
    joins_texts: bool,
}

impl List {
    /// A list of such objects.
    pub(crate) const fn of(object: &'static Object) -> List {
        List {
            of: object,
            axis: None,
            index: None,
            closes: false,
            loose: false,
            alone: false,
            keeps_index: false,
            joins_texts: false,
        }
    }

    /// The same list of other objects.
    pub(crate) const fn with(self, of: &'static Object) -> List {
        List { of, ..self }
    }

    /// The objects' numbers are their positions.
    pub(crate) const fn placed(self, axis: Axis) -> List {
        let axis = Some(axis);
        List { axis, ..self }
    }

    /// The objects tell their numbers.
    pub(crate) const fn numbered(self, axis: Axis, index: &'static str) -> List {
        let index = Some(index);
        List { index, ..self }.placed(axis)
    }

    pub(crate) const fn closes(self) -> List {
        let closes = true;
        List { closes, ..self }
    }

    pub(crate) const fn loose(self) -> List {
        let loose = true;
        List { loose, ..self }
    }

    pub(crate) const fn alone(self) -> List {
        let alone = true;
        List { alone, ..self }
    }

    pub(crate) const fn keeps_index(self) -> List {
        let keeps_index = true;
        List {
            keeps_index,
            ..self
        }
    }

    pub(crate) const fn joins_texts(self) -> List {
        let joins_texts = true;
        List {
            joins_texts,
            ..self
        }
    }
}

/// What a number counts.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Axis {
    /// Choices: a stretch each.
    Choice,
    /// The calls of a choice.
    Call,
    /// Content blocks: a stretch each, and a call where they call.
    Block,
    /// Output items, the same with parts below them.
    Item,
    /// Parts of an item.
    Part,
    /// Parts of an item's summary.
    Summary,
}

/// What it means that an object is there.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mark {
    /// Something is lost if the payload is dropped.
    Structure,
    /// A tool is called.
    Call,
    /// A tool is called, and calls are numbered as they come.
    NextCall,
    /// The stream ends.
    Ends,
    /// Texts in it are told a second time, as a whole.
    Again,
    /// The stretch is complete.
    Closes,
}

/// From here on stretches are texts that come whole.
pub(crate) const WHOLE: u32 = 1 << 31;
/// Where the number of a part stands in that of a stretch, beside its item's.
pub(crate) const ITEM_BITS: u32 = 12;
pub(crate) const PART_BITS: u32 = 10;
/// A part of an item's summary, not of its content.
pub(crate) const SUMMARY: u32 = 1 << 29;
/// A custom tool's input, not a function's arguments.
pub(crate) const CUSTOM: u32 = 1 << 30;
