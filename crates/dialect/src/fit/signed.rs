//! Signatures and encrypted reasoning go back to the maker that made them, and to nobody else.

use std::borrow::Cow;

use super::aim::{Aim, Fitted};
use super::family::Family;
use crate::contract::format::Format;
use crate::exchange::{ChatRequest, Content, Grade, Lost, Part, Profile};
use crate::signed::{Handed, fits, read};

const FOREIGN: &str = "only the maker of the model that signed or encrypted it can read it";

pub(super) fn fit(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    if !takes_any(aim) {
        return;
    }
    for (at, message) in request.messages.iter_mut().enumerate() {
        let mut places = Vec::new();
        for (number, part) in message.parts.iter_mut().enumerate() {
            let Content::Reasoning(thought) = &mut part.content else {
                continue;
            };
            for (held, name) in [
                (&mut thought.signature, "signature"),
                (&mut thought.redacted, "redacted"),
            ] {
                if let Some(Handed::Of { at: Some(to), .. }) = held.as_deref().map(read) {
                    places.push((to, number));
                }
                if !own(held, aim) {
                    let was = fitted.message(at);
                    let mut lost =
                        Lost::new(format!("messages[{was}].content[{number}].{name}"), FOREIGN);
                    lost.grade = Grade::Tolerable;
                    fitted.lost.push(lost);
                }
            }
        }
        put_back(&mut message.parts, places);
    }
}

/// Puts reasoning where it stood in the answer: (there, among the parts). Its maker refuses it
/// elsewhere.
fn put_back(parts: &mut Vec<Part<'_>>, mut places: Vec<(usize, usize)>) {
    if places.is_empty() {
        return;
    }
    places.dedup_by_key(|(_, from)| *from);
    let mut moved: Vec<(usize, Part<'_>)> = Vec::with_capacity(places.len());
    let mut rest: Vec<Part<'_>> = Vec::with_capacity(parts.len());
    let mut next = places.iter().peekable();
    for (from, part) in parts.drain(..).enumerate() {
        match next.next_if(|(_, of)| *of == from) {
            Some((to, _)) => moved.push((*to, part)),
            None => rest.push(part),
        }
    }
    moved.sort_by_key(|(to, _)| *to);
    let mut moved = moved.into_iter().peekable();
    for part in rest {
        while let Some((_, part)) = moved.next_if(|(to, _)| *to <= parts.len()) {
            parts.push(part);
        }
        parts.push(part);
    }
    parts.extend(moved.map(|(_, part)| part));
}

/// Whether the target takes such strings from anybody. Elsewhere its writer leaves them out.
fn takes_any(aim: &Aim<'_>) -> bool {
    let others = matches!(aim.profile, Profile::Standard | Profile::Mistral);
    let signs = aim.ways.signs;
    signs.is_some_and(|signs| signs.native.is_some() || others)
}

/// Whether what is held is the target's own: then without a mark, else taken away.
fn own(held: &mut Option<Cow<'_, str>>, aim: &Aim<'_>) -> bool {
    let Some(text) = held else {
        return true;
    };
    let own = match read(text) {
        Handed::Of { maker, opaque, .. } if maker == aim.maker => {
            *held = Some(Cow::Owned(opaque));
            true
        }
        Handed::Of { .. } => false,
        Handed::Bare => match &aim.native {
            Some(native) => *native == aim.maker,
            None => fits(&aim.maker, text),
        },
    };
    if !own {
        *held = None;
    }
    own
}

/// Who made the model of a target that is asked in its own format.
pub(crate) fn maker_of(format: &Format, profile: Profile, model: &str) -> Cow<'static, str> {
    let family = Family::of(format.ways.makers, profile, model);
    maker(family, profile, model)
}

/// Who made a target's model: a word, the same for every seller of it.
pub(super) fn maker(family: Family, profile: Profile, model: &str) -> Cow<'static, str> {
    match family {
        Family::Claude(_) => return "anthropic".into(),
        Family::Gemini(_) => return "google".into(),
        Family::OpenAi(_) => return "openai".into(),
        Family::Nova => return "amazon".into(),
        _ if profile.is_openai() => return "openai".into(),
        _ => {}
    }
    let model = model.to_ascii_lowercase();
    let known = [
        ("claude", "anthropic"),
        ("anthropic", "anthropic"),
        ("gemini", "google"),
        ("google", "google"),
        ("openai", "openai"),
    ];
    if let Some((_, maker)) = known.iter().find(|(part, _)| model.contains(part)) {
        return (*maker).into();
    }
    // The first word that is no region of Bedrock's: `us.deepseek.r1-v1:0`, `mistralai/magistral`.
    let words = model.split(|c: char| !c.is_ascii_alphabetic());
    let mut words = words.filter(|word| word.len() > 2 && !matches!(*word, "apac" | "global"));
    // 24: longer than the name of any maker.
    let word: String = words.next().unwrap_or("other").chars().take(24).collect();
    word.into()
}
