//! Markers for a provider's prompt cache: where the target's model can cut, at most four, and those
//! that live for an hour ahead of the others.

use super::aim::Aim;
use super::family::{Family, keeps_for_an_hour};
use super::turns::is_operator;
use crate::exchange::{CacheMarker, ChatRequest, Content, Part};

/// The most markers of a request, at Anthropic and at Bedrock.
const MOST: usize = 4;

/// Where a model's prompt cache can be cut.
struct Cuts {
    tools: bool,
    prompt: bool,
    hour: bool,
}

impl Cuts {
    /// AWS's page on prompt caching: Anthropic's models and Nova have one, Nova's without tools and
    /// for five minutes. An id that does not show the maker may be of any model.
    fn of(aim: &Aim<'_>) -> Self {
        let own_api = !aim.ways.bytes_only && !aim.profile.is_in_cloud();
        let shows_maker = aim.model.contains('.') && !aim.model.starts_with("arn:");
        let (tools, prompt, hour) = match aim.family {
            Family::Claude(_) => (true, true, own_api || keeps_for_an_hour(aim.model)),
            Family::Nova => (false, true, false),
            Family::Bedrock(_) if shows_maker => (false, false, false),
            _ => (true, true, true),
        };
        Self {
            tools,
            prompt,
            hour,
        }
    }
}

pub(super) fn fit(request: &mut ChatRequest<'_>, aim: &Aim<'_>) {
    if aim.format.cache_marks.is_none() {
        return;
    }
    let cuts = Cuts::of(aim);
    for message in &mut request.messages {
        message.parts.iter_mut().for_each(out_of_result);
        if aim.ways.text_with_files {
            ahead_of_files(&mut message.parts);
        }
    }
    let (mut hours, mut all) = (Vec::new(), 0);
    each(request, |place, marker| {
        let takes = if place == Place::Tools {
            cuts.tools
        } else {
            cuts.prompt
        };
        if !takes {
            *marker = None;
        }
        let Some(marker) = marker else { return };
        marker.ttl.take_if(|ttl| *ttl == "1h" && !cuts.hour);
        hours.push((place, marker.ttl.as_deref() == Some("1h")));
        all += 1;
    });
    let automatic = request
        .extra
        .iter()
        .any(|field| field.name == "cache_control");
    let kept = kept(&hours, MOST - usize::from(automatic));
    if kept.iter().all(|kept| *kept) {
        return;
    }
    let mut kept = kept.into_iter();
    each(request, |_, marker| {
        marker.take_if(|_| !kept.next().unwrap_or(true));
    });
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Tools,
    System,
    Said,
}

/// All places of markers, in the order in which providers read a prompt.
fn each<'a>(
    request: &mut ChatRequest<'a>,
    mut visit: impl FnMut(Place, &mut Option<CacheMarker<'a>>),
) {
    for tool in &mut request.tools {
        visit(Place::Tools, &mut tool.cache);
    }
    for (place, system) in [(Place::System, true), (Place::Said, false)] {
        let messages = request.messages.iter_mut();
        for message in messages.filter(|message| is_operator(message) == system) {
            for part in &mut message.parts {
                visit(place, &mut part.cache);
            }
        }
    }
}

/// Which of the markers stay. A marker for an hour can't stand behind one for five minutes, which
/// its own prefix holds. Of too many the last of each place stay, and of the others the latest.
fn kept(markers: &[(Place, bool)], most: usize) -> Vec<bool> {
    let last_hour = markers.iter().rposition(|(_, hour)| *hour).unwrap_or(0);
    let behind = |at: usize| at >= last_hour;
    let mut kept: Vec<bool> = markers
        .iter()
        .enumerate()
        .map(|(at, (_, hour))| *hour || behind(at))
        .collect();
    let mut over = kept
        .iter()
        .filter(|kept| **kept)
        .count()
        .saturating_sub(most);
    let lasts = [Place::Tools, Place::System, Place::Said]
        .map(|place| markers.iter().rposition(|(of, _)| *of == place));
    for spares_lasts in [true, false] {
        for (at, kept) in kept.iter_mut().enumerate() {
            if over > 0 && *kept && !(spares_lasts && lasts.contains(&Some(at))) {
                *kept = false;
                over -= 1;
            }
        }
    }
    kept
}

/// A marker within a result is one behind it, and none stands at reasoning.
fn out_of_result(part: &mut Part<'_>) {
    match &mut part.content {
        Content::ToolResult(result) => {
            let inner = result.parts.iter_mut().filter_map(|part| part.cache.take());
            if let Some(marker) = inner.last() {
                part.cache.get_or_insert(marker);
            }
        }
        Content::Reasoning { .. } => part.cache = None,
        _ => {}
    }
}

/// Bedrock refuses a marker right behind a file that is no PDF.
fn ahead_of_files(parts: &mut [Part<'_>]) {
    let is_file = |part: &Part<'_>| matches!(&part.content, Content::File(media) if media.media_type != "application/pdf");
    for at in 0..parts.len() {
        let (before, from) = parts.split_at_mut(at);
        let Some(part) = from.first_mut().filter(|part| is_file(part)) else {
            continue;
        };
        if let Some(marker) = part.cache.take()
            && let Some(other) = before.last_mut()
        {
            other.cache.get_or_insert(marker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, kept};

    #[test]
    fn the_last_of_each_place_and_the_latest_stay_and_hours_stand_first() {
        let tools = (Place::Tools, false);
        let (system, hour) = ((Place::System, false), (Place::System, true));
        let said = (Place::Said, false);
        type Case<'a> = (&'a [(Place, bool)], &'a [bool]);
        let cases: [Case<'_>; 5] = [
            (&[tools, system, said, said], &[true, true, true, true]),
            (
                &[tools, system, system, said, said, said],
                &[true, false, true, false, true, true],
            ),
            (
                &[said, said, said, said, said],
                &[false, true, true, true, true],
            ),
            (&[tools, hour, said], &[false, true, true]),
            (&[], &[]),
        ];
        for (markers, expected) in cases {
            assert_eq!(kept(markers, 4), expected);
        }
        assert_eq!(kept(&[tools, system, said], 1), [false, false, true]);
    }
}
