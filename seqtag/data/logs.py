"""Made-up log lines of a few services, most of them normal: for telling what is unusual."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta

from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.generated import check_int, draws
from seqtag.data.tokenizers import tokenize
from seqtag.errors import ParameterError

NORMAL = "normal"
LONGEST = 400  # milliseconds that a normal request takes less than
_BEGIN = datetime(2026, 3, 2, 6)
_USERS = ("alice", "bjarne", "chen", "dana", "emeka", "farid", "greta", "hana")
_METHODS = {
    "/login": ("POST",),
    "/health": ("GET",),
    "/api/v1/items": ("GET", "POST"),
    "/api/v1/items/{n}": ("GET", "PUT", "DELETE"),
    "/api/v1/users/{n}": ("GET", "PUT"),
    "/static/app.{h}.js": ("GET",),
}
_STATUS = {"GET": ("200", "200", "200", "304", "404"), "POST": ("201", "201", "400"), "PUT": ("200", "409"),
           "DELETE": ("204", "404")}  # fmt: skip
_TABLES = ("items", "users", "orders", "sessions")
_JOBS = {"rotate-logs": "root", "backup-db": "backup", "send-digest": "mailer", "prune-cache": "root"}
_ATTACKS = (
    "/api/v1/items?id={n}%27%20OR%201=1--",
    "/static/../../../../etc/passwd",
    "/login?next=<script>alert({n})</script>",
    "/cgi-bin/luci/;stok=/locale",
)
_FAILURES = (
    "kernel: Out of memory: Killed process {n} (python3) total-vm:{m}kB",
    "kernel: EXT4-fs error (device sda1): ext4_find_entry: inode #{n}",
    "db[{n}]: PANIC could not write to file pg_wal/{h}: No space left on device",
)


def make_logs(*, sequences: int = 2000, anomalies: float = 0.1, random_state: int = 0) -> dict[str, Corpus]:
    """Make log lines of a web server, ssh, a database and cron; some of those to be judged are anomalous.

    Lines carry a time of the day that goes on, process numbers, addresses, paths, counts and durations, and one in some
    thirty is a warning or a refusal, which is normal, too. What is anomalous is of one of six kinds:

    * ``attack``: a request for a path that tries to break in.
    * ``failure``: a message that is in no normal line.
    * ``garbled``: two to five characters are others.
    * ``cut``: the line ends in its middle, and another begins there.
    * ``combination``: each part is common, but not together: a method that the path does not have, or the job of
      another user.
    * ``number``: a duration longer than any normal one, up to ten times.

    Parameters
    ----------
    sequences : int
        Lines of ``train``; ``dev`` and ``test`` have a quarter of it each, at least one.
    anomalies : float
        Share of the lines of ``dev`` and ``test`` that are anomalous, as drawn line by line; above 0 and below 1.
    random_state : int
        Draws the lines. The same one always gives the same corpora.

    Returns
    -------
    dict of str to Corpus
        ``train``, which is normal, ``dev`` and ``test``: lines as ``text`` and its words, with a ``label``: "normal" or
        the kind of the anomaly.

    Raises
    ------
    ParameterError
        If a parameter is out of its range.
    """
    check_int("sequences", sequences, low=1)
    check_int("random_state", random_state, low=0)
    if isinstance(anomalies, bool) or not isinstance(anomalies, (int, float)) or not 0 < anomalies < 1:
        raise ParameterError(f"anomalies must be a share above 0 and below 1; got {anomalies!r}.")
    return {
        split: _log(split, size, draw, 0.0 if split == "train" else anomalies)
        for split, size, draw in draws("logs", sequences, random_state)
    }


def _log(split: str, size: int, draw: random.Random, anomalies: float) -> Corpus:
    now = _BEGIN + timedelta(seconds=draw.randrange(3600))
    made = []
    for _ in range(size):
        now += timedelta(milliseconds=draw.randrange(20, 9000))
        kind = draw.choice(tuple(_ANOMALIES)) if draw.random() < anomalies else NORMAL
        message = _message(draw) if kind == NORMAL else _ANOMALIES[kind](draw)
        made.append(_line(f"{now:%H:%M:%S} {message}", kind))
    return Corpus(tuple(made), f"logs {split}")


def _line(text: str, label: str) -> Sequence:
    tokens, offsets = tokenize(text)
    return Sequence(tokens, label=label, text=text, offsets=offsets)


# ---- normal lines ------------------------------------------------------------------------------------------


def _message(draw: random.Random) -> str:
    (make,) = draw.choices((_request, _session, _query, _job), (6, 2, 2, 1))
    return make(draw)


def _request(draw: random.Random, path: str = "", method: str = "", milliseconds: int = 0) -> str:
    path = path or draw.choice(tuple(_METHODS))
    method = method or draw.choice(_METHODS[path])
    status = draw.choice(_STATUS[method])
    level = "WARN" if status in ("400", "409") else "INFO"
    size = "-" if status in ("204", "304") else str(draw.randrange(90, 9000))
    took = milliseconds or draw.randrange(2, LONGEST)
    return f'web {level} {_address(draw)} "{method} {_filled(path, draw)}" {status} {size} {took}ms'


def _session(draw: random.Random) -> str:
    user, number = draw.choice(_USERS), draw.randrange(1000, 9999)
    if draw.random() < 0.1:
        return f"sshd[{number}]: Failed password for {user} from {_address(draw)} port {draw.randrange(32768, 60999)}"
    what = draw.choice(("Accepted publickey", "Disconnected"))
    return f"sshd[{number}]: {what} for {user} from {_address(draw)} port {draw.randrange(32768, 60999)}"


def _query(draw: random.Random, milliseconds: int = 0) -> str:
    table, took = draw.choice(_TABLES), milliseconds or draw.randrange(1, 80)
    if draw.random() < 0.1:
        return f"db[410]: LOG checkpoint complete: wrote {draw.randrange(20, 900)} buffers in {draw.random() * 5:.2f} s"
    return f"db[{draw.randrange(411, 440)}]: LOG SELECT on {table}: {draw.randrange(1, 500)} rows in {took}ms"


def _job(draw: random.Random, user: str = "") -> str:
    job = draw.choice(tuple(_JOBS))
    return f"cron[{draw.randrange(1000, 9999)}]: ({user or _JOBS[job]}) CMD (/opt/jobs/{job})"


def _address(draw: random.Random) -> str:
    return f"10.{draw.choice((2, 7, 31))}.{draw.randrange(8)}.{draw.randrange(2, 255)}"


def _filled(text: str, draw: random.Random) -> str:
    return text.format(n=draw.randrange(1, 9999), m=draw.randrange(10**5, 10**7), h=f"{draw.randrange(16**8):08x}")


# ---- anomalous lines ---------------------------------------------------------------------------------------


def _attack(draw: random.Random) -> str:
    return _request(draw, path=draw.choice(_ATTACKS), method="GET")


def _garbled(draw: random.Random) -> str:
    letters = list(_message(draw))
    for place in draw.sample(range(len(letters)), draw.randint(2, 5)):
        letters[place] = draw.choice([char for char in "#@~^|xQ7%\\" if char != letters[place]])
    return "".join(letters)


def _cut(draw: random.Random) -> str:
    one, other = _message(draw), _message(draw)
    return one[: draw.randint(len(one) // 4, 3 * len(one) // 4)] + other


def _combination(draw: random.Random) -> str:
    if draw.random() < 0.3:
        return _wrong_job(draw)
    path = draw.choice(tuple(_METHODS))
    return _request(draw, path=path, method=draw.choice([one for one in _STATUS if one not in _METHODS[path]]))


def _wrong_job(draw: random.Random) -> str:
    job = draw.choice(tuple(_JOBS))
    user = draw.choice(sorted({*_JOBS.values()} - {_JOBS[job]}))
    return f"cron[{draw.randrange(1000, 9999)}]: ({user}) CMD (/opt/jobs/{job})"


def _number(draw: random.Random) -> str:
    return _request(draw, milliseconds=draw.randrange(LONGEST, 10 * LONGEST))


_ANOMALIES: dict[str, Callable[[random.Random], str]] = {
    "attack": _attack,
    "failure": lambda draw: _filled(draw.choice(_FAILURES), draw),
    "garbled": _garbled,
    "cut": _cut,
    "combination": _combination,
    "number": _number,
}
KINDS = tuple(_ANOMALIES)
