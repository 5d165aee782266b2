//! What is peculiar to a format in the eyes of those who neither read nor write it: a row of
//! facts. What a row leaves out is as in OpenAI's chat.

use super::place::Locate;
use super::signs::Signs;

/// A member that a body may have: of an object in it, or of the body itself; and its name.
pub(crate) type Member = (Option<&'static str>, &'static str);

/// Where a target does something, by whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    Nowhere,
    Everywhere,
    /// At OpenAI and Azure.
    AtOpenAi,
    /// Everywhere else.
    Elsewhere,
}

/// What a tool's result may hold beside text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResultMedia {
    Nothing,
    /// Anything at Mistral, nothing elsewhere.
    AtMistral,
    /// Images and files, at models that have it.
    Seen,
    /// Files, as the text that they are.
    Files,
}

/// What a format says of the form that an answer is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forms {
    /// Nothing.
    Unknown,
    /// Something, beside tools too.
    Known,
    /// Something, but not beside tools.
    WithoutTools,
}

/// Whose models a format's targets have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Makers {
    Any,
    /// OpenAI's at OpenAI and Azure, any elsewhere.
    OpenAi,
    Anthropic,
    Google,
    /// Those that Bedrock sells.
    Bedrock,
}

/// What names of tools are made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ToolNames {
    /// The most characters at the vendor itself; nobody else takes more than 64.
    pub(crate) most: usize,
    /// Punctuation beside letters and digits.
    pub(crate) marks: &'static str,
    /// The first character is a letter or an underscore.
    pub(crate) letter_first: bool,
}

/// The facts of a format.
#[derive(Debug)]
pub(crate) struct Ways {
    /// What its clients call fields of the exchange form: (exchange form, client's name).
    pub(crate) names: &'static [(&'static str, &'static str)],
    /// What its clients call a place among the messages; none: as the exchange form does.
    pub(crate) locate: Option<Locate>,
    /// What its clients take for a prompt that is too long, where a message does not say it
    /// already: they shorten the conversation then, and only then.
    pub(crate) too_long: Option<&'static str>,
    /// Log probabilities spell the text beside them once more.
    pub(crate) spells: bool,
    /// Where the limit of output tokens is.
    pub(crate) output_limits: &'static [Member],
    /// It demands an output limit.
    pub(crate) needs_limit: bool,
    /// OpenAI and Azure take no lower output limit.
    pub(crate) least_limit: u64,
    /// What of a request an answer repeats or depends on, and what it is where the request has none.
    pub(crate) echoed: &'static [(&'static str, &'static str)],
    /// Its clients see what a model thinks unless they say otherwise.
    pub(crate) shows_thinking: bool,
    /// Thinking is shown to those who ask.
    pub(crate) hides_thinking: bool,
    /// A message tells its reasoning ahead of all else.
    pub(crate) reasons_first: bool,
    /// Signatures and encrypted reasoning; none where the format has no place for them.
    pub(crate) signs: Option<&'static Signs>,
    /// Its assistants draw: images of theirs go back as such.
    pub(crate) draws: bool,
    /// Media that its answers can hold.
    pub(crate) shows: &'static [&'static str],
    /// It takes media as bytes only.
    pub(crate) bytes_only: bool,
    /// Its models reason in requests with tools. Since GPT-5.6, OpenAI's do so only in the Responses API.
    pub(crate) reasons_with_tools: bool,
    /// It thinks as the model likes, unless told how much.
    pub(crate) adapts: bool,
    pub(crate) makers: Makers,
    /// None where tools are named as one likes.
    pub(crate) tool_names: Option<ToolNames>,
    /// Tools whose input is free text.
    pub(crate) custom_tools: Where,
    /// Kinds of parts that tell what a tool did which the provider ran.
    pub(crate) ran: &'static [&'static str],
    /// The choice may name a tool.
    pub(crate) names_tool: bool,
    /// Ids of calls are no longer than that there.
    pub(crate) call_ids: (Where, usize),
    /// Calls of a history need tools, declared.
    pub(crate) calls_need_tools: bool,
    /// The arguments of a history's calls are read.
    pub(crate) reads_arguments: Where,
    /// Servers that are not their format's makers' take a call without a result.
    pub(crate) open_calls: bool,
    /// Each call has an id of its own, and the user speaks first.
    pub(crate) strict_turns: bool,
    /// Texts of nothing but white space are refused.
    pub(crate) refuses_blanks: bool,
    /// Messages that say nothing are refused.
    pub(crate) refuses_silence: bool,
    /// Instructions stand ahead of the conversation, unless the model takes them within.
    pub(crate) system_first: bool,
    /// Templates of open models stand behind it.
    pub(crate) templates: bool,
    /// Contents of several texts are one.
    pub(crate) one_text: Where,
    /// Files that are text are sent as text.
    pub(crate) text_files: Where,
    /// A file of the user's stands beside a text, and no cache marker right behind one that is no PDF.
    pub(crate) text_with_files: bool,
    /// Parts that only Anthropic's messages have are read.
    pub(crate) own_parts: bool,
    pub(crate) result_media: ResultMedia,
    /// Results are marked where the tool failed.
    pub(crate) marks_failure: bool,
    pub(crate) forms: Forms,
    /// The first system message stands apart from the conversation.
    pub(crate) instructed: bool,
    /// A form has a description beside its schema's.
    pub(crate) describes_forms: bool,
}

impl Ways {
    /// As in OpenAI's chat, as far as all others resemble it.
    pub(crate) const PLAIN: Ways = Ways {
        names: &[],
        locate: None,
        too_long: None,
        spells: false,
        output_limits: &[],
        needs_limit: false,
        least_limit: 0,
        echoed: &[],
        shows_thinking: false,
        hides_thinking: false,
        reasons_first: false,
        signs: None,
        draws: false,
        shows: &["image"],
        bytes_only: false,
        reasons_with_tools: true,
        adapts: false,
        makers: Makers::Any,
        tool_names: None,
        custom_tools: Where::Nowhere,
        ran: &[],
        names_tool: true,
        call_ids: (Where::Nowhere, 0),
        calls_need_tools: false,
        reads_arguments: Where::Everywhere,
        open_calls: false,
        strict_turns: false,
        refuses_blanks: false,
        refuses_silence: false,
        system_first: false,
        templates: false,
        one_text: Where::Nowhere,
        text_files: Where::Nowhere,
        text_with_files: false,
        own_parts: false,
        result_media: ResultMedia::Nothing,
        marks_failure: false,
        forms: Forms::Known,
        instructed: false,
        describes_forms: true,
    };
}
