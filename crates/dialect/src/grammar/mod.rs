//! What each member of a format's JSON is: a table for each format, `grammar.rs` in its folder,
//! and what is read by such a table.
//!
//! A table lists what is known. What it does not list is unreadable, so that a new field of an
//! upstream can't carry output past a guard. [`payload`] reads answers for meter and guard,
//! [`gather`] makes one answer of a stream's events, [`scatter`] takes one apart into them,
//! [`request`] reads requests for policies, [`prompt`] their content, and [`drawn`] what both they and crossings know of sampling.

pub(crate) mod asked;
pub(crate) mod drawn;
pub(crate) mod gather;
pub(crate) mod payload;
pub(crate) mod prompt;
pub(crate) mod request;
pub(crate) mod scatter;
mod table;
#[cfg(test)]
mod tests;
mod walk;

use std::borrow::Cow;

use crate::canonical::{FinishKind, Usage};
use crate::json::{Kind, Value};
use crate::payload::PayloadError;

pub(crate) use table::{List, Object};

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
