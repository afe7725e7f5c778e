"""Print what seqtag requires under JAX, one requirement a line: setup.cfg's list with JAX in TensorFlow's place."""

import configparser
import re
from pathlib import Path

TESTS = ("hypothesis", "pytest")


def name_of(requirement: str) -> str:
    """Return the name of a requirement without its version."""
    return re.split(r"[^\w-]", requirement)[0]


if __name__ == "__main__":
    options = configparser.ConfigParser()
    options.read(Path(__file__).parents[1] / "setup.cfg", encoding="utf-8")
    required = options["options"]["install_requires"].split()
    extras = options["options.extras_require"]
    chosen = [entry for entry in required if name_of(entry) != "tensorflow"] + extras["jax"].split()
    chosen += [entry for entry in extras["dev"].split() if name_of(entry) in TESTS]
    print(*chosen, sep="\n")  # noqa: T201
