"""Chat completions that are not streamed."""


def ask(client, model, content, **options):
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": content}], **options)


def test_a_question_gets_an_answer_with_usage(client, model):
    answer = ask(client, model, "What is a forebay?", max_tokens=12)
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 12
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 12


def test_several_choices_come_back_as_a_set(client, model):
    answer = ask(client, model, "Name a river.", n=3, max_tokens=6)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]


def test_a_conversation_with_parts_and_every_role_is_understood(client, model):
    answer = client.chat.completions.create(
        model=model,
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Hello"}, {"type": "text", "text": "there"}]},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "Go on."},
        ],
        max_tokens=4,
    )
    assert answer.choices[0].message.content


def test_fields_that_the_gateway_does_not_know_reach_the_engine_and_come_back(client, model):
    answer = ask(client, model, "Hello", max_tokens=2, extra_body={"chat_template_kwargs": {"enable_thinking": False}})
    assert answer.choices[0].message.content


def test_every_answer_carries_a_request_id(client, model):
    raw = client.chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "user", "content": "Hello"}], max_tokens=2
    )
    assert raw.headers["x-request-id"]
    assert raw.parse().choices
