//! The guardrails: places, opinions and pieces of output as they see them; verdicts and releases as the
//! gateway does.

/// Converts for one set of bindings of the guardrails: the modules of `forebay:types/types` and of
/// `forebay:guardrails/guardrails`. Functions become items of the module that calls it.
#[macro_export]
macro_rules! guardrails {
    ($types:path, $guardrails:path) => {
        use $guardrails as guardrails;
        use $types as types;

        use $crate::canonical::Channel;
        use $crate::check;
        use $crate::gateway::{
            Action, Caller, Delta, Edit, Hit, Opinion, Outline, Place, PlaceKind, PolicyError,
            Question, Reason, Releases, Verdict,
        };

        pub(crate) fn caller(caller: &Caller) -> types::Caller<'_> {
            types::Caller {
                tenant: &caller.tenant,
                key: &caller.key,
                route: caller.route,
            }
        }

        pub(crate) fn outline<'a>(outline: &Outline<'a>) -> guardrails::Outline<'a> {
            guardrails::Outline {
                operation: outline.operation,
                model: outline.model,
                messages: outline.messages,
                tools: outline.tools,
                largest_message: outline.largest_message,
                bytes: outline.bytes,
            }
        }

        pub(crate) fn place<'a>(place: &'a Place<'_>) -> guardrails::Place<'a> {
            guardrails::Place {
                kind: match place.kind {
                    PlaceKind::Text => guardrails::PlaceKind::Text,
                    PlaceKind::Json => guardrails::PlaceKind::Json,
                    PlaceKind::Identifier => guardrails::PlaceKind::Identifier,
                    PlaceKind::Vocabulary => guardrails::PlaceKind::Vocabulary,
                    PlaceKind::Signed => guardrails::PlaceKind::Signed,
                    PlaceKind::Unreadable => guardrails::PlaceKind::Unreadable,
                },
                role: place.role,
                path: &place.path,
                text: &place.text,
                joins_next: place.joins_next,
            }
        }

        pub(crate) fn opinion(opinion: &Opinion) -> guardrails::Opinion<'_> {
            guardrails::Opinion {
                question: guardrails::QuestionParam {
                    service: &opinion.question.service,
                    places: &opinion.question.places,
                },
                answered: opinion.answer.is_ok(),
                text: match &opinion.answer {
                    Ok(text) | Err(text) => text,
                },
            }
        }

        pub(crate) fn verdict(
            verdict: guardrails::Verdict,
            places: &[Place<'_>],
        ) -> Result<Verdict, PolicyError> {
            let action = match verdict.action {
                guardrails::Action::Allow => Action::Allow,
                guardrails::Action::Deny(why) => Action::Deny(reason(why)),
                guardrails::Action::Edit(edits) => {
                    let edits: Vec<Edit> = edits.into_iter().map(edit).collect();
                    check::edits(&edits, places)?;
                    Action::Edit(edits)
                }
                guardrails::Action::Ask(asked) => {
                    let question = Question {
                        service: asked.service,
                        places: asked.places,
                    };
                    check::question(&question)?;
                    Action::Ask(question)
                }
            };
            check::scope(&verdict.scope)?;
            Ok(Verdict {
                action,
                hits: verdict.hits.into_iter().map(hit).collect(),
                guard_output: verdict.guard_output,
                output_enforced: verdict.output_enforced,
                scope: verdict.scope,
            })
        }

        fn edit(edit: guardrails::Edit) -> Edit {
            Edit {
                place: edit.span.place,
                start: edit.span.start,
                end: edit.span.end,
                label: edit.label,
            }
        }

        fn reason(reason: types::ReasonResult) -> Reason {
            Reason {
                code: reason.code,
                detail: reason.detail,
            }
        }

        fn hit(hit: guardrails::Hit) -> Hit {
            Hit {
                rule: hit.rule,
                action: hit.action,
                count: hit.count,
                shadow: hit.shadow,
            }
        }

        pub(crate) fn delta(delta: &Delta) -> guardrails::Delta<'_> {
            guardrails::Delta {
                choice: delta.choice,
                channel: match delta.channel {
                    Channel::Content => guardrails::Channel::Content,
                    Channel::Reasoning => guardrails::Channel::Reasoning,
                    Channel::Refusal => guardrails::Channel::Refusal,
                    Channel::ToolArguments(index) => guardrails::Channel::ToolArguments(index),
                    Channel::ToolName(index) => guardrails::Channel::ToolName(index),
                    Channel::Error => guardrails::Channel::Error,
                    Channel::Annotation(index) => guardrails::Channel::Annotation(index),
                },
                text: &delta.text,
            }
        }

        pub(crate) fn releases(releases: guardrails::Releases) -> Releases {
            let released = releases.released.into_iter().map(|release| Delta {
                choice: release.choice,
                channel: match release.channel {
                    guardrails::Channel::Content => Channel::Content,
                    guardrails::Channel::Reasoning => Channel::Reasoning,
                    guardrails::Channel::Refusal => Channel::Refusal,
                    guardrails::Channel::ToolArguments(index) => Channel::ToolArguments(index),
                    guardrails::Channel::ToolName(index) => Channel::ToolName(index),
                    guardrails::Channel::Error => Channel::Error,
                    guardrails::Channel::Annotation(index) => Channel::Annotation(index),
                },
                text: release.text,
            });
            Releases {
                released: released.collect(),
                denied: releases.denied.map(reason),
                hits: releases.hits.into_iter().map(hit).collect(),
            }
        }
    };
}
