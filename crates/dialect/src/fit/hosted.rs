//! Tools that a provider runs itself (web search, code execution, computer use) at a target that
//! has none of them: left out and named, refused only where one has to be called.

use std::collections::HashSet;

use super::aim::{Aim, Fitted};
use crate::exchange::{
    ChatRequest, Content, Grade, Lost, Message, Part, Profile, Role, ToolChoice,
};

/// Whether the target knows a tool of that kind.
fn knows(aim: &Aim<'_>, kind: &str) -> bool {
    kind == "custom" || ((aim.format.is_own_tool)(kind) && !is_hosted(kind, aim.profile))
}

/// Whether a tool of Anthropic's of that kind is one that this seller of its models does not run.
/// Those that the client runs (computer, editor, shell, memory) are known everywhere.
pub(crate) fn is_hosted(kind: &str, profile: Profile) -> bool {
    let is = |kinds: &[&str]| kinds.iter().any(|known| kind.starts_with(known));
    let nowhere = is(&["advisor_", "code_execution_", "mcp_toolset", "web_fetch_"]);
    match profile {
        Profile::BedrockInvoke => nowhere || is(&["web_search_"]),
        Profile::VertexRaw => nowhere,
        _ => false,
    }
}

/// Of what a provider has run there are calls in a history, and what they gave back. What they found
/// is in the text that follows them.
const RAN: &str = "another provider ran this tool; its results are in the text that follows";

/// What an agent or a newer API notes among what the assistant said.
const NOTED: &str = "only the API that made this item knows it";
/// What was said before, which the model would not know of.
const SEALED: &str = "only the provider that made this summary of the conversation can read it";
/// Kinds of such summaries.
const SUMMARIES: [&str; 3] = ["compaction", "compaction_summary", "context_compaction"];

/// Why a part is left out of the history, where it is.
fn why(part: &Part<'_>, message: &Message<'_>, aim: &Aim<'_>) -> Option<(&'static str, Grade)> {
    let Content::Opaque { kind, json } = &part.content else {
        return None;
    };
    let kind = kind.as_ref();
    match () {
        () if aim.ways.ran.contains(&kind) => None,
        () if (aim.ran)(kind) => Some((RAN, Grade::Tolerable)),
        () if !aim.crosses || message.role != Role::Assistant => None,
        () if SUMMARIES.contains(&kind) => {
            let sealed = json.contains("\"encrypted_content\"");
            sealed.then_some((SEALED, Grade::Refused))
        }
        () => Some((NOTED, Grade::Tolerable)),
    }
}

/// Leaves out of a history what another provider has run or noted.
pub(super) fn forget(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    let foreign = |message: &Message<'_>, part: &Part<'_>| why(part, message, aim);
    let has = |message: &Message<'_>| {
        let mut parts = message.parts.iter();
        parts.any(|part| foreign(message, part).is_some())
    };
    if !request.messages.iter().any(has) {
        return;
    }
    let messages = std::mem::take(&mut request.messages);
    let numbers = std::mem::take(&mut fitted.messages);
    for (mut message, number) in messages.into_iter().zip(numbers) {
        let spoke = !message.parts.is_empty();
        let parts = std::mem::take(&mut message.parts);
        for (at, part) in parts.into_iter().enumerate() {
            let Some((why, grade)) = foreign(&message, &part) else {
                message.parts.push(part);
                continue;
            };
            let mut lost = Lost::new(format!("messages[{number}].content[{at}]"), why);
            lost.grade = grade;
            fitted.lost.push(lost);
        }
        if !spoke || !message.parts.is_empty() {
            request.messages.push(message);
            fitted.messages.push(number);
        }
    }
}

const WHY: &str = "this upstream has no such tool, and only its provider could run it";

pub(super) fn leave_out(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    let unknown = |kind: Option<&str>| kind.is_some_and(|kind| !knows(aim, kind));
    let kinds = |tool: &crate::exchange::Tool<'_>| {
        let kind = tool.builtin.as_ref().map(|(kind, _)| kind.as_ref());
        unknown(kind)
    };
    if !request.tools.iter().any(kinds) {
        return;
    }
    let forced = match &request.tool_choice {
        Some(ToolChoice::Tool(name)) => Some(name.clone()),
        _ => None,
    };
    let must = matches!(
        request.tool_choice,
        Some(ToolChoice::Required | ToolChoice::Allowed(_, true))
    );
    let only = request.tools.iter().all(kinds);
    let tools = std::mem::take(&mut request.tools);
    let numbers = std::mem::take(&mut fitted.tools);
    let mut names = Vec::new();
    for (tool, number) in tools.into_iter().zip(numbers) {
        if !kinds(&tool) {
            request.tools.push(tool);
            fitted.tools.push(number);
            continue;
        }
        let demanded = (must && only) || forced.as_ref() == Some(&tool.name);
        let mut lost = Lost::new(format!("tools[{number}]"), WHY);
        if demanded {
            lost.grade = Grade::Refused;
        }
        fitted.lost.push(lost);
        names.push(tool.name);
    }
    // What is left out can't be chosen.
    match &mut request.tool_choice {
        Some(ToolChoice::Tool(name)) if names.contains(name) => request.tool_choice = None,
        Some(ToolChoice::Required | ToolChoice::None) if only => request.tool_choice = None,
        Some(ToolChoice::Allowed(allowed, _)) => {
            let names: HashSet<_> = names.iter().collect();
            allowed.retain(|name| !names.contains(name));
            if allowed.is_empty() {
                request.tool_choice = Some(ToolChoice::None).filter(|_| !only);
            }
        }
        _ => {}
    }
}
