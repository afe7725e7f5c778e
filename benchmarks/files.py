"""Peak memory and speed of `seqtag predict` from 10^5 to 10^7 tokens in a file: what docs/files.md shows.

    python benchmarks/files.py                                          train a tagger, then all sizes, to CSV
    python benchmarks/files.py --model runs/conll2000 --format parquet  another model, another format
    python benchmarks/files.py --sizes 100000 1000000 --jobs 2

The text is `seqtag.datasets.load_python_code`'s, sentence after sentence, begun again when it ends, until there are as
many tokens as wanted: one line a sentence, packed with gzip. Each size is a process of its own, the command as a user
calls it; its peak is what the system says of it (`wait4`), Python, NumPy and ONNX Runtime included. Of worker processes
(`--jobs`) the peak of the largest single process is shown.

The target is that the peak stays under 400 MB at 10^7 tokens. Sizes that are not run are not shown: nothing here is
extrapolated but the time, and only where it says so.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZES = (10**5, 10**6, 10**7)
EXTRAPOLATED = 10**7
TRAIN = (
    "from seqtag import SequenceTagger; from seqtag.datasets import load_python_code; corpora = load_python_code(); "
    "SequenceTagger(units=64, epochs=1, random_state=0).fit(corpora['train'][:2000]).save({path!r})"
)
WRITE = (
    "import sys; sys.path.insert(0, {here!r}); from files import write; from pathlib import Path; "
    "write(Path({path!r}), {tokens})"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", metavar="DIR", help="a trained tagger, instead of a small one made for this")
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, metavar="TOKENS", help="of the texts")
    parser.add_argument("--format", default="csv", help="of the answers")
    parser.add_argument("--jobs", type=int, default=1, help="processes that compute")
    parser.add_argument("--json", metavar="FILE", help="write what each run gave")
    arguments = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory(prefix="seqtag-files-") as folder:
        model = arguments.model or python(TRAIN, path=f"{folder}/model")
        for tokens in arguments.sizes:
            text = python(WRITE, path=f"{folder}/text.txt.gz", tokens=tokens, here=str(Path(__file__).parent))
            results.append(measure(model, text, Path(folder, f"tags.{arguments.format}"), tokens, arguments.jobs))
            print(json.dumps(results[-1]), file=sys.stderr, flush=True)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print("\n".join(table(results)))


def python(code: str, **values: object) -> str:
    """Run code in a process of its own, and return the path it was given.

    This process must stay small: the peak of a child is at least what its parent held when it was started.
    """
    environment = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "2", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-c", code.format(**values)], env=environment | os.environ, check=True, stdout=2)
    return str(values["path"])


def write(path: Path, tokens: int) -> None:
    """Write sentences, one a line, until there are as many tokens as wanted."""
    from seqtag.datasets import load_python_code

    sentences = load_python_code()["train"]
    written = 0
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as file:
        while written < tokens:
            for sequence in sentences:
                file.write(" ".join(sequence.tokens) + "\n")
                written += len(sequence)
                if written >= tokens:
                    break


def measure(model: str, text: str, output: Path, tokens: int, jobs: int) -> dict[str, float]:
    """Tag a file by the command, and return what it took."""
    command = [sys.executable, "-m", "seqtag", "predict", model, text, "--output", str(output), "--jobs", str(jobs)]
    began = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"the command ended with status {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    size = output.stat().st_size / 1e6
    output.unlink()
    return {"tokens": tokens, "peak_mb": usage.ru_maxrss * unit / 1e6, "seconds": seconds, "output_mb": size}


def table(results: list[dict[str, float]]) -> list[str]:
    """Return the results as lines of a Markdown table."""
    lines = ["| tokens | peak memory | time | tokens/s | output |", "| --- | --- | --- | --- | --- |"]
    for one in results:
        rate = one["tokens"] / one["seconds"]
        cells = f"{one['tokens']:,} | {one['peak_mb']:.0f} MB | {one['seconds']:.1f} s | {rate:,.0f}"
        lines.append(f"| {cells} | {one['output_mb']:.1f} MB |")
    largest = max(results, key=lambda one: one["tokens"])
    if largest["tokens"] < EXTRAPOLATED:
        seconds = largest["seconds"] * EXTRAPOLATED / largest["tokens"]
        lines.append(f"\nExtrapolated, not measured: {EXTRAPOLATED:,} tokens would take {seconds:,.0f} s.")
    return lines


if __name__ == "__main__":
    main()
