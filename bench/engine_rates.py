"""Rates of an engine profile, measured: prefill tokens/s, and what a decode step takes by batch.

On a machine with the GPU and vLLM; the weights are random, which changes no arithmetic:

    python bench/engine_rates.py --shape llama-8b
    python bench/engine_rates.py --shape qwen3-32b --tensor-parallel 2

Prints the lines for a file in crates/engine-model/profiles, with the measurements that they were
fitted to. `--shape FOLDER` takes any model's config.json instead.
"""

import argparse
import datetime
import json
import random
import tempfile
import time
from pathlib import Path

# From the models' own config.json on Hugging Face.
SHAPES = {
    "llama-8b": {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096,
        "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072,
        "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "hidden_act": "silu",
        "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    },
    "llama-70b": {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 8192,
        "intermediate_size": 28672, "num_hidden_layers": 80, "num_attention_heads": 64,
        "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072,
        "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "hidden_act": "silu",
        "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    },
    "qwen3-32b": {
        "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 5120,
        "intermediate_size": 25600, "num_hidden_layers": 64, "num_attention_heads": 64,
        "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
        "max_position_embeddings": 40960, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
        "hidden_act": "silu", "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    },
}


def folder_of(shape):
    """The folder with the model's config.json."""
    if shape not in SHAPES:
        return shape
    folder = Path(tempfile.mkdtemp())
    (folder / "config.json").write_text(json.dumps(SHAPES[shape]))
    return str(folder)


def fit(points):
    """Least squares: seconds = base + each · batch."""
    n = len(points)
    mean_x = sum(x for x, _ in points) / n
    mean_y = sum(y for _, y in points) / n
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    each = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
    return mean_y - each * mean_x, each


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", default="llama-8b", help=f"one of {', '.join(SHAPES)}, or a folder")
    parser.add_argument("--tensor-parallel", type=int, default=1)
    parser.add_argument("--prompt", type=int, default=8192, help="tokens of a prompt, for prefill")
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 32, 64, 128, 256])
    parser.add_argument("--steps", type=int, default=128, help="decode steps that are timed")
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()

    from vllm import LLM, SamplingParams

    longest = args.prompt + args.steps + 256
    llm = LLM(
        model=folder_of(args.shape), load_format="dummy", skip_tokenizer_init=True, max_model_len=longest,
        tensor_parallel_size=args.tensor_parallel, enable_prefix_caching=False,
        max_num_seqs=max(args.batches), max_num_batched_tokens=8192, disable_log_stats=True,
    )
    rng = random.Random(1)

    def seconds(count, tokens, output):
        """The fastest of some runs of so many prompts at once."""
        prompts = [{"prompt_token_ids": [rng.randrange(1000) for _ in range(tokens)]} for _ in range(count)]
        sampling = SamplingParams(max_tokens=output, min_tokens=output, ignore_eos=True, detokenize=False)
        best = float("inf")
        for _ in range(args.runs):
            began = time.perf_counter()
            llm.generate(prompts, sampling, use_tqdm=False)
            best = min(best, time.perf_counter() - began)
        return best

    seconds(min(args.batches), 32, 4)
    rate = args.prompts * args.prompt / seconds(args.prompts, args.prompt, 1)
    steps = []
    for batch in args.batches:
        whole, first = seconds(batch, 32, args.steps + 1), seconds(batch, 32, 1)
        steps.append((batch, (whole - first) / args.steps))
    base, each = fit(steps)
    worst = max(abs(base + each * batch - took) / took for batch, took in steps)

    try:
        import torch

        device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU"
    except ImportError:
        device = "an unknown device"
    import vllm

    print(f"# Measured on {datetime.date.today()} on {args.tensor_parallel} × {device} with vLLM {vllm.__version__}")
    print(f"#   and random weights ({args.shape}), by bench/engine_rates.py. Prefill: {args.prompts} prompts of {args.prompt} tokens.")
    print("#   Decode, a step: " + ", ".join(f"{batch} sequences {took * 1e3:.2f} ms" for batch, took in steps))
    print(f"#   The line below is within {worst * 100:.0f} % of each.")
    print(f"prefill_tokens_per_second = {rate:.1f}")
    print(f"decode_step_base_us = {base * 1e6:.1f}")
    print(f"decode_step_per_sequence_us = {each * 1e6:.2f}")


if __name__ == "__main__":
    main()
