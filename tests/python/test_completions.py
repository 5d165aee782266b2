"""The older completions endpoint, which base models and evaluations still use."""


def test_a_prompt_is_completed(client, model):
    answer = client.completions.create(model=model, prompt="Water flows", max_tokens=7)
    assert answer.object == "text_completion"
    assert answer.choices[0].text
    assert answer.usage.completion_tokens == 7


def test_a_prompt_of_token_ids_is_completed(client, model):
    answer = client.completions.create(model=model, prompt=[11, 12, 13, 14], max_tokens=3)
    assert answer.usage.prompt_tokens == 4


def test_several_prompts_are_completed_in_order(client, model):
    answer = client.completions.create(model=model, prompt=["One", "Two"], max_tokens=3)
    assert [choice.index for choice in answer.choices] == [0, 1]


def test_a_completion_streams(client, model):
    chunks = list(client.completions.create(model=model, prompt="Water flows", max_tokens=9, stream=True))
    assert len([chunk for chunk in chunks if chunk.choices and chunk.choices[0].text]) > 1
    assert chunks[-1].choices[0].finish_reason == "length"
