"""Tokenizer libraries beside Hugging Face's: the same tokens first, then speed.

    pip install tokenizers fastokens snaptokens kitoken tokie gigatoken
    python bench/tokenizer_libraries.py --tokenizer qwen3.json --tokenizer gptoss.json TEXT...

Each tokenizer is a model's `tokenizer.json`. Each TEXT is a file; of JSON lines the member `text` is
taken. The libraries are the Python packages of Rust crates; a text's tokens become a list of
numbers, which costs each of them the same few milliseconds for 100,000 tokens. Seconds are those of
the process's processor, so threads are not free. The libraries take turns, and the best turn counts.
Prints a table in Markdown. A library that isn't installed is left out.
"""

import argparse
import json
import random
import time
from pathlib import Path

TURNS = 5
# The longest prompt, in characters: some 100,000 tokens.
LONG = 400_000

# Pieces that tokenizers are known to cut differently.
PIECES = [
    " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", "\u00a0", "\u3000", "\u200b", "\ufeff", "a", "I", "'s",
    "'S", "'ll", "\u2019s", "don't", "WORLD", "Hello", "hello", "camelCase", "snake_case", "x", "0", "7",
    "42", "1234567", "3.14", "\u00bd", "\u2167", "\u0663", "!", "?!", "...", "\u2026", "\u2014", "/", "//",
    "\\", '"', "{", "}", "</s>", "<s>", "<|im_start|>", "<|endoftext|>", "[INST]", "\u00e9", "e\u0301",
    "\ufb01", "\u00df", "\u0130", "\u65e5\u672c\u8a9e", "\ud55c\uad6d\uc5b4", "\u0e44\u0e17\u0e22",
    "\u0939\u093f\u0928\u094d\u0926\u0940", "\u0627\u0644\u0639\u0631\u0628\u064a\u0629", "\U0001f642",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\0", "\x7f", "\U0010ffff",
]


def hugging_face(file):
    from tokenizers import Tokenizer

    inner = Tokenizer.from_file(file)
    inner.no_padding()
    inner.no_truncation()
    return lambda text: inner.encode(text, add_special_tokens=False).ids


def fastokens(file):
    from fastokens import Tokenizer

    inner = Tokenizer.from_file(file)
    return lambda text: inner.encode(text, add_special_tokens=False).ids


def kitoken(file):
    from kitoken import Kitoken

    inner = Kitoken.from_tokenizers_file(file)
    return lambda text: inner.encode(text, True)


def tokie(file):
    from tokie import Tokenizer

    inner = Tokenizer.from_json(file)
    return lambda text: inner.encode(text, add_special_tokens=False).ids


def snaptokens(file):
    from snaptokens import Tokenizer

    inner = Tokenizer.from_file(file)
    return lambda text: inner.encode(text, add_special_tokens=False).ids


def gigatoken(file):
    from gigatoken import Tokenizer

    inner = Tokenizer(file)
    return lambda text: inner.encode(text).tolist()


# The first is the reference.
LIBRARIES = {
    "tokenizers": hugging_face,
    "fastokens": fastokens,
    "snaptokens": snaptokens,
    "kitoken": kitoken,
    "tokie": tokie,
    "gigatoken": gigatoken,
}


def texts_of(files):
    for file in files:
        text = Path(file).read_text()
        if file.endswith(".jsonl"):
            for line in filter(None, text.split("\n")):
                yield json.loads(line)["text"]
        else:
            yield text


def odd_texts(count):
    rng = random.Random(1)
    return ["".join(rng.choices(PIECES, k=rng.randint(1, 24))) for _ in range(count)]


def seconds(work):
    began = time.process_time()
    work()
    return time.process_time() - began


def differing(encode, expected, texts, label):
    """How many texts have other tokens than they should."""
    differ = 0
    for text, tokens in zip(texts, expected):
        try:
            got = list(encode(text))
        except Exception as error:  # whatever a library raises
            got = repr(error)
        if got != tokens:
            differ += 1
            if differ <= 2:
                print(f"<!-- {label}: {text[:60]!r} -->")
    return differ


def compare(file, texts, made_up):
    name = Path(file).stem
    encoders, load = {}, {}
    for library, loader in LIBRARIES.items():
        began = time.process_time()
        try:
            encoders[library] = loader(file)
        except ImportError:
            continue
        except Exception as error:  # whatever a library raises
            print(f"| {name} | {library} | does not load: {str(error)[:80]} | | | | | |")
            continue
        load[library] = time.process_time() - began
    long = "\n".join(texts)[:LONG]
    best = {library: [float("inf"), float("inf")] for library in encoders}
    for _ in range(TURNS):
        for library, encode in encoders.items():
            best[library][0] = min(best[library][0], seconds(lambda: encode(long)))
            took = seconds(lambda: [encode(text) for text in texts])
            best[library][1] = min(best[library][1], took)
    reference = encoders["tokenizers"]
    expected = [[reference(text) for text in several] for several in (texts, made_up)]
    size, short = len(long.encode()), sum(len(text.encode()) for text in texts)
    for library, encode in encoders.items():
        label = f"{name}, {library}"
        own = differing(encode, expected[0], texts, label)
        odd = differing(encode, expected[1], made_up, label)
        runs = ["a", " ", "\n", "1", "!", "\u65e5", "ab"]
        slowest = max(seconds(lambda: encode(run * (100_000 // len(run)))) for run in runs)
        print(
            f"| {name} | {library} | {load[library]:.2f} | {own} of {len(texts)} | {odd} of {len(made_up)} "
            f"| {size / best[library][0] / 1e6:.1f} | {short / best[library][1] / 1e6:.1f} | {slowest:.2f} |",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", action="append", required=True, metavar="FILE", help="a tokenizer.json")
    parser.add_argument("--made-up", type=int, default=5_000, metavar="N", help="made-up texts that are compared")
    parser.add_argument("texts", nargs="+", metavar="TEXT", help="files of text, or JSON lines with `text`")
    args = parser.parse_args()
    texts = list(texts_of(args.texts))
    print("| model | library | load s | texts that differ | made-up texts that differ | one long prompt, MB/s | single texts, MB/s | 100,000 times one character, s at most |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for file in args.tokenizer:
        compare(file, texts, odd_texts(args.made_up))


if __name__ == "__main__":
    main()
