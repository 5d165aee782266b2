//! A case as its folder describes it: what a client sends, what the upstream plays, what must come of it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// One case: the file `case.toml` of a folder that bears its name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The folder's name, which is also the model that its requests name.
    #[serde(skip)]
    pub name: String,
    /// What must hold, in a sentence.
    pub title: String,
    /// What people suffer from gateways where it does not.
    pub pain: String,
    /// What a platform must be able to do for it; see `platforms.toml`.
    #[serde(default)]
    pub needs: Vec<String>,
    /// What happens, in order.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

/// One request, and the exchanges it leads to.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// Whose API key is sent: the key's identifier; empty: none.
    pub key: String,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
    /// The JSON body, `model` added where it is an object without one.
    pub body: String,
    /// The body as it is, no JSON perhaps.
    pub raw_body: Option<String>,
    /// So many bytes of filler replace `PAD` in the body.
    pub pad: usize,
    /// The request is sent so many times at once.
    pub together: usize,
    /// Answers are stored behind the response: the request is sent again, for a bounded time, as long
    /// as nothing is stored for it (504).
    pub until_stored: bool,
    /// Ask again until the upstream is asked: the answer before may still be open to whoever joins.
    pub until_asked: bool,
    /// The client leaves after so many events.
    pub hang_up_after: Option<usize>,
    /// What the upstream plays, in the order of the calls it gets.
    pub upstream: Vec<Exchange>,
    /// What the client must get.
    pub expect: Expect,
    /// What the upstream must have got.
    pub received: Received,
}

impl Default for Step {
    fn default() -> Self {
        Self {
            key: "plain1".into(),
            method: "POST".into(),
            path: "/v1/chat/completions".into(),
            headers: BTreeMap::new(),
            body: String::new(),
            raw_body: None,
            pad: 0,
            together: 1,
            until_stored: false,
            until_asked: false,
            hang_up_after: None,
            upstream: Vec::new(),
            expect: Expect::default(),
            received: Received::default(),
        }
    }
}

/// One answer of the scripted upstream.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Exchange {
    /// The status line after `HTTP/1.1`.
    pub status: String,
    /// Headers beside the media type and the length.
    pub headers: BTreeMap<String, String>,
    /// The media type, where it is not what the rest says.
    pub media: Option<String>,
    /// A whole chat completion that says this.
    pub answer: Option<String>,
    /// A whole body.
    pub body: Option<String>,
    /// So many bytes of filler replace `PAD` in the body or the texts.
    pub pad: usize,
    /// A stream of chat chunks that say these texts, and stop.
    pub text: Vec<String>,
    /// The data of a stream's events.
    pub events: Vec<String>,
    /// A stream's bytes as they are, instead of events.
    pub frames: Vec<String>,
    /// Whether `[DONE]` ends the stream. Default true for texts and events.
    pub done: Option<bool>,
    /// Events (from 0) that are held back until the client has seen the one before.
    pub hold: Vec<usize>,
    /// Bytes go out in pieces of this size; 0: whole.
    pub split: usize,
    /// `before-head`, `after-head`, or `after-event:N`: there the connection is reset.
    pub cut: Option<String>,
    /// Nothing is ever answered.
    pub silent: bool,
    /// After all that, it waits until the other side leaves, which counts as cancelled.
    pub linger: bool,
}

impl Default for Exchange {
    fn default() -> Self {
        Self {
            status: "200 OK".into(),
            headers: BTreeMap::new(),
            media: None,
            answer: None,
            body: None,
            pad: 0,
            text: Vec::new(),
            events: Vec::new(),
            frames: Vec::new(),
            done: None,
            hold: Vec::new(),
            split: 0,
            cut: None,
            silent: false,
            linger: false,
        }
    }
}

/// What a client must get. What is not named is not looked at, but for the terminal event of a
/// stream and the length of a body, which are always checked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// The status; 200 where absent.
    pub status: Option<u16>,
    /// Headers that must hold this text.
    pub headers: BTreeMap<String, String>,
    /// Headers that must not be there.
    pub absent: Vec<String>,
    /// The body holds at least this.
    pub json: Option<String>,
    /// The text of the first choice, or of all its deltas.
    pub text: Option<String>,
    /// The reasoning of the first choice, or of all its deltas.
    pub reasoning: Option<String>,
    /// The arguments of the first choice's tool calls, joined, by index.
    pub tool_arguments: Option<Vec<String>>,
    /// How many events there are before the terminal one.
    pub events: Option<usize>,
    /// Each event holds at least this, in order.
    pub event_json: Vec<String>,
    /// What ends the stream: the `type` of its last event, or nothing where the format has no
    /// such event; `[DONE]` where absent.
    pub terminal: Option<String>,
    /// The stream ends with an error event instead of `[DONE]`; its code.
    pub error_event: Option<String>,
    /// The body is an error in OpenAI's shape with this code.
    pub error: Option<String>,
    /// Texts that the answer holds.
    pub holds: Vec<String>,
    /// Texts that it must not hold.
    pub forbid: Vec<String>,
    /// What the cache may say: `miss`, `hit`, `joined`, `bypass`, `stale`.
    pub cache: Vec<String>,
    /// The body's length in bytes.
    pub bytes: Option<usize>,
    /// Byte for byte the answer of this earlier step (from 0).
    pub same_as: Option<usize>,
}

/// What the upstream must have got in this step.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Received {
    /// How many calls; as many as there are exchanges where absent.
    pub calls: Option<usize>,
    /// The last call's body holds at least this.
    pub json: Option<String>,
    /// Texts that its body or head must not hold.
    pub forbid: Vec<String>,
    /// Texts that its body holds.
    pub holds: Vec<String>,
    /// The client's leaving has ended the exchange.
    pub cancelled: bool,
}

/// Reads all cases of a folder, in the order of their names.
///
/// # Errors
/// The file that can't be read and why.
pub fn load(folder: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("{} can't be read", folder.display()))?;
    for entry in entries {
        let file = entry?.path().join("case.toml");
        if !file.is_file() {
            continue;
        }
        let text = std::fs::read_to_string(&file)?;
        let mut case: Case =
            toml::from_str(&text).with_context(|| format!("{}", file.display()))?;
        let name = file.parent().and_then(|folder| folder.file_name());
        case.name = name.unwrap_or_default().to_string_lossy().into_owned();
        ensure!(!case.steps.is_empty(), "{} has no step", file.display());
        cases.push(case);
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    ensure!(!cases.is_empty(), "{} holds no case", folder.display());
    Ok(cases)
}
