# ruff: noqa: E501 (a mistake and its message stand on one line)
"""Sweeps: what may be tried, how trials are drawn, kept, given up and found again, and what is written of them."""

import csv
import json
import logging
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from typer.testing import CliRunner

from seqtag import tuning
from seqtag.cli import app
from seqtag.config import TASKS, Choice, Range, Tune, json_schema, load_config, parse_config
from seqtag.config._fields import grouped_fields
from seqtag.errors import ConfigError, DataError, NotInstalledError, TrainingError
from seqtag.tuning import _report, _study, _training
from seqtag.tuning._training import Outcome, Trainer
from seqtag.tuning.space import Space, default_domains, holds, space_of, value_in, with_values

pytest.importorskip("optuna")

SMALL = "task: tagging\ndata: {dataset: tagging, sequences: 4}\nmodel: {units: 16}\ntraining: {epochs: 5}\nseed: 3\n"
SPACE = """tune:
  trials: 12
  space:
    model.units: [8, 16, 32]
    training.learning_rate: {low: 1e-3, high: 1e-1, log: true}
    model.dropout: {low: 0.1, high: 0.6, step: 0.1}
    model.layers: {low: 1, high: 3}
"""

# --- the section tune -------------------------------------------------------------------------------------------


def refusal(text: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "c.yaml", overrides)
    return str(caught.value)


WRONG = [
    ("5", "c.yaml:6: tune must be a mapping of names to values; got 5."),
    ("{trails: 5}", "tune.trails is unknown. Did you mean 'trials'?"),
    ("{trials: 0}", "tune.trials must be an int of at least 1; got 0."),
    ("{seeds: 1.5}", "tune.seeds must be an int of at least 1; got 1.5."),
    ("{space: [units]}", "tune.space must be a mapping of parameters to values; got ['units']."),
    ("{space: {units: [1, 2]}}", "tune.space: units is no parameter of the task. Write it as model.units."),
    ("{space: {training.units: [1, 2]}}", "tune.space: training.units is no parameter of the task. Write it as model.units."),
    ("{space: {model.unts: [1, 2]}}", "tune.space: model.unts is no parameter of the task. Did you mean 'model.units'?"),
    ("{space: {model: {unts: [1, 2]}}}", "tune.space: model.unts is no parameter of the task. Did you mean 'model.units'?"),
    ("{space: {model.pooling: [max, mean]}}", "tune.space: model.pooling is no parameter of the task."),
    ("{space: {training.validation_fraction: [0.1, 0.2]}}", "training.validation_fraction cannot be tuned. It decides what is scored"),
    ("{space: {model.scheme: [iob2, bioes]}}", "model.scheme cannot be tuned. It decides how is scored"),
    ("{space: {model.units: 64}}", "tune.space: model.units must be a list of values, or a range as {low: 1, high: 3}; got 64."),
    ("{space: {model.cell: lstm}}", "tune.space: model.cell must be a list of values; got 'lstm'."),
    ("{space: {model.residual: {low: 0, high: 1}}}", "tune.space: model.residual must be a list of values; got {'low': 0"),
    ("{space: {model.units: [64]}}", "tune.space: model.units must list at least two values; got [64]."),
    ("{space: {model.units: [64, 32, 64]}}", "tune.space: model.units lists 64 twice."),
    ("{space: {model.units: [64, 0]}}", "tune.space: model.units must be an int of at least 1; got 0."),
    ("{space: {model.cell: [lstm, gur]}}", "got 'gur'. Did you mean 'gru'?"),
    ("{space: {model.residual: [true, 1]}}", "tune.space: model.residual must be true or false; got 1."),
    ("{space: {model.encoders: [[words], [wrds]]}}", "tune.space: model.encoders: an encoder must be one of words,"),
    ("{space: {model.units: {low: 0, high: 9}}}", "tune.space: model.units must be an int of at least 1; got 0."),
    ("{space: {model.units: {low: 1, high: 9.5}}}", "tune.space: model.units must be an int of at least 1; got 9.5."),
    ("{space: {model.dropout: {low: 0, high: 1}}}", "model.dropout must be a number of at least 0 and less than 1; got 1."),
    ("{space: {training.epochs: {low: auto, high: 9}}}", "training.epochs must have a number as low; got 'auto'."),
    ("{space: {model.units: {low: 8}}}", "model.units must have a number as high; got None."),
    ("{space: {model.units: {low: 8, hihg: 9}}}", "model.units is a range of low, high, step, log; got 'hihg'. Did you mean 'high'?"),
    ("{space: {model.units: {low: 9, high: 9}}}", "model.units must have a low that is less than its high; got 9 and 9."),
    ("{space: {model.units: {low: 8, high: 9, log: 1}}}", "model.units must have true or false as log; got 1."),
    ("{space: {training.learning_rate: {low: 0, high: 1, log: true}}}", "must have a low of more than 0 where log is true; got 0."),
    ("{space: {model.units: {low: 8, high: 16, step: 2, log: true}}}", "model.units must have no step where log is true."),
    ("{space: {model.units: {low: 8, high: 16, step: 0.5}}}", "model.units must have an int of more than 0 as step; got 0.5."),
    ("{space: {model.dropout: {low: 0.1, high: 0.6, step: 0}}}", "model.dropout must have a number of more than 0 as step; got 0."),
    ("{space: {model.dropout: {low: 0.1, high: 0.65, step: 0.1}}}", "model.dropout must reach its high in whole steps; got 0.1 to 0.65 by 0.1."),
]  # fmt: skip


@pytest.mark.parametrize(("section", "message"), WRONG, ids=[section for section, _ in WRONG])
def test_what_is_wrong_with_a_space_is_named_with_its_line(section, message):
    found = refusal(f"{SMALL}tune: {section}")
    assert message in found
    assert "c.yaml:6:" in found


def test_all_that_is_wrong_is_said_at_once():
    lines = refusal(f"{SMALL}tune:\n  trials: x\n  space:\n    model.unts: 3\n    model.units: [64, 0]\n").splitlines()
    assert lines[0] == "c.yaml has 3 problems:"
    assert [line.split()[0] for line in lines[1:]] == ["c.yaml:7:", "c.yaml:9:", "c.yaml:10:"]


def test_an_override_is_named_as_such_and_comes_last():
    bad = "tune.space.model.units=[8, 0]"
    assert refusal(SMALL + SPACE, bad).startswith(f"--set {bad}: tune.space: model.units must be an int")
    config = parse_config(SMALL + SPACE, "c.yaml", ["tune.space.model.units=[4, 5]", "tune.trials=7"])
    assert config.tune.space["model.units"] == Choice((4, 5))
    assert (config.tune.trials, len(config.tune.space)) == (7, 4)


def test_a_space_survives_yaml():
    config = parse_config(SMALL + SPACE)
    assert config.tune == Tune(
        trials=12,
        space={
            "model.units": Choice((8, 16, 32)),
            "training.learning_rate": Range(1e-3, 1e-1, log=True),
            "model.dropout": Range(0.1, 0.6, step=0.1),
            "model.layers": Range(1, 3, integer=True),
        },
    )
    assert parse_config(config.to_yaml()) == config
    bare = parse_config(SMALL + "tune:\n")
    assert bare.tune == Tune() and parse_config(bare.to_yaml()) == bare
    assert "tune" not in parse_config(SMALL).to_dict()


def test_training_takes_no_notice():
    plain, tuned = parse_config(SMALL), parse_config(SMALL + SPACE)
    assert plain.estimator().get_params() == tuned.estimator().get_params()
    assert plain == replace(tuned, tune=None)


def test_the_json_schema_accepts_and_refuses_spaces():
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json_schema())

    def accepts(section: str) -> bool:
        from seqtag.config._yaml import parse

        return validator.is_valid(parse(f"{SMALL}tune: {section}", "c.yaml").value)

    assert accepts("{}") and accepts("null") and accepts("{trials: 3, seeds: 2, space: null}")
    assert accepts("{space: {model.units: [8, 16], training: {learning_rate: {low: 0.1, high: 1, log: true}}}}")
    beyond = (
        "twice",
        "at least two",
        "is less than",
        "whole steps",
        "where log",
        "encoders",
        "scheme",
        "0, high: 1, log",
    )
    for section, message in WRONG:
        if not any(word in message + section for word in beyond):
            assert not accepts(section), section


@pytest.mark.parametrize("task", list(TASKS))
def test_the_json_schema_knows_what_can_be_tuned(task):
    (rule,) = [rule for rule in json_schema()["allOf"] if rule["if"]["properties"]["task"]["const"] == task]
    space = rule["then"]["properties"]["tune"]["properties"]["space"]["properties"]
    known = {f"{group}.{name}" for group in ("model", "training") for name in grouped_fields(task)[group]}
    fixed = {"training.validation_fraction", "model.scheme", "model.multi_label"}
    fixed |= {f"model.{name}" for name in ("level", "continuous", "go_backwards", "min_count", "max_vocabulary")}
    assert set(space) - {"model", "training"} == known - fixed


# --- the space --------------------------------------------------------------------------------------------------

DOMAINS = {
    "model.units": Range(8, 64, log=True, integer=True),
    "model.layers": Range(1, 9, step=2, integer=True),
    "model.dropout": Range(0.1, 0.7, step=0.2),
    "training.learning_rate": Range(1e-3, 2e-2, log=True),
    "training.clip_norm": Range(0, 5),
    "model.residual": Choice((True, False)),
    "model.encoders": Choice(("auto", ["words"], ["words", {"chars": None, "dim": 8}])),
    "training.class_weight": Choice((None, "balanced", {"O": 0.5})),
}


@given(st.integers(0, 2**31))
@examples(max_examples=25)
def test_what_is_drawn_is_in_the_space_and_has_its_type(seed):
    import optuna

    space = Space(DOMAINS, {})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))
    values = space.values(study.ask(space.distributions()).params)
    assert list(values) == list(DOMAINS)
    for name, domain in DOMAINS.items():
        assert holds(domain, values[name]), (name, values[name])
        group, _, parameter = name.partition(".")
        assert grouped_fields("tagging")[group][parameter].problem(values[name]) is None
    assert type(values["model.units"]) is type(values["model.layers"]) is int
    assert values["model.dropout"] in (0.1, 0.3, 0.5, 0.7), "without the dust of binary fractions"
    rate = values["training.learning_rate"]
    assert rate == float(f"{rate:.4g}")


def test_own_values_are_the_first_trial_even_outside_of_the_space():
    config = parse_config(
        SMALL + "tune: {space: {model.units: [8, 32], model.dropout: {low: 0.1, high: 0.7, step: 0.3}}}"
    )
    space = space_of(config, numeric=False)
    assert space.own == {"model.units": 16, "model.dropout": 0.4}
    assert (space.outside, space.own_params()) == (("model.units",), {"model.dropout": 0.4})


@pytest.mark.parametrize(
    ("domain", "inside", "outside"),
    [
        (Range(1, 3, integer=True), [1, 3], [0, 4, "auto", 1.5]),
        (Range(0.1, 0.5, step=0.2), [0.1, 0.3, 0.5], [0.2, 0.7]),
        (Range(1e-3, 1e-2, log=True), [1e-3, 0.00512345], [1e-4, None]),
        (Choice((1, None, "a")), [1, 1.0, None, "a"], [True, 2, "b"]),
    ],
)
def test_a_domain_knows_its_values(domain, inside, outside):
    assert [holds(domain, value) for value in inside + outside] == [True] * len(inside) + [False] * len(outside)


@pytest.mark.parametrize("numeric", [False, True])
@pytest.mark.parametrize("task", list(TASKS))
@pytest.mark.parametrize("extra", ["", "training: {learning_rate: 0.5, batch_sequences: 1}\nmodel: {units: 1}\n"])
def test_the_default_space_is_one_the_task_allows_around_the_own_values(task, numeric, extra):
    config = parse_config(f"task: {task}\ndata: {{dataset: tagging}}\n{extra}")
    domains = default_domains(config, numeric)
    writes = task == "language_modelling"
    assert ("training.neighbour_weight" in domains) is not (numeric or writes)
    assert ("model.pooling" in domains) is (task in ("classification", "joint"))
    assert ("model.weight_dropout" in domains) is writes
    again = parse_config(replace(config, tune=Tune(space=domains)).to_yaml())
    assert again.tune.space == domains, "it is what a configuration may hold"
    assert space_of(config, numeric).outside == ()


# --- trials, with a trainer that takes no time ------------------------------------------------------------------


class FakeTrainer:
    """Scores a configuration by its distance from the best rate; notes what it was asked to train."""

    asked: ClassVar[list] = []
    fails: ClassVar[dict] = {}

    def __init__(self, corpora, seeds):
        assert set(corpora) == {"train", "dev"}, "test is never there"

    def __call__(self, config, watch):
        type(self).asked.append(config)
        if error := self.fails.get(len(self.asked)):
            raise error
        final = 1 - 0.3 * abs(np.log10(config.training["learning_rate"]) + 2)
        epochs = config.training["epochs"]
        for epoch in range(epochs):
            if watch(epoch, epochs, final * (epoch + 1) / epochs):
                return Outcome(final * (epoch + 1) / epochs, epoch + 1, "span F1")
        return Outcome(final, epochs, "span F1")


draw = _report.draw


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """The fake trainer in place of the real one, and a folder of its own."""
    import sqlalchemy

    monkeypatch.chdir(tmp_path)
    trainer = type("Fake", (FakeTrainer,), {"asked": [], "fails": {}})
    monkeypatch.setattr(tuning, "Trainer", trainer)
    monkeypatch.setattr(_report, "draw", lambda *_: None)
    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", _without_waiting_for_the_disk)
    yield trainer
    sqlalchemy.event.remove(sqlalchemy.Engine, "connect", _without_waiting_for_the_disk)


def _without_waiting_for_the_disk(connection, _) -> None:
    connection.execute("PRAGMA synchronous = OFF")


CONFIG = parse_config(SMALL + SPACE)


def facts(trials):
    """What must be the same of two sweeps: all but the time."""
    return [replace(trial, seconds=0.0) for trial in trials]


def test_the_first_trial_has_the_own_values_and_the_best_is_never_worse(fake):
    sweep = tuning.tune(CONFIG)
    first = sweep.trials[0]
    assert first.values == {name: value_in(CONFIG, name) for name in CONFIG.tune.space}
    assert (len(sweep.trials), [trial.number for trial in sweep.trials]) == (12, list(range(1, 13)))
    assert sweep.best.score == max(trial.score for trial in sweep.trials if trial.state == "complete")
    assert sweep.best.score > first.score
    assert len({tuple(trial.values.values()) for trial in sweep.trials}) > 8
    assert [with_values(CONFIG, trial.values).model for trial in sweep.trials] == [c.model for c in fake.asked]
    assert sweep.path == Path("runs/config-tune") and sweep.metric == "span F1"
    assert not any(trial.state == "failed" for trial in sweep.trials)


def test_own_values_outside_of_the_space_are_tried_and_can_win(fake):
    said = []
    config = parse_config(
        SMALL.replace("epochs: 5", "epochs: 5, learning_rate: 0.01")
        + "tune: {trials: 14, space: {training.learning_rate: {low: 0.03, high: 0.1}}}"
    )
    sweep = tuning.tune(config, say=said.append)
    assert sweep.best.number == 1 and sweep.best.values == {"training.learning_rate": 0.01}
    assert "training.learning_rate: 0.01 is outside of its space; only the first trial has it" in said[0]
    assert all(0.03 <= trial.values["training.learning_rate"] <= 0.1 for trial in sweep.trials[1:])


def test_a_sweep_that_was_interrupted_goes_on_as_if_it_had_not_been(fake):
    whole = tuning.tune(CONFIG, trials=9, output="whole")
    fake.asked.clear()
    fake.fails[5] = KeyboardInterrupt()
    part = tuning.tune(CONFIG, trials=9, output="parts")
    assert part.interrupted and not whole.interrupted
    assert facts(part.trials) == facts(whole.trials)[:4]
    with _study.open_study(
        Path("parts"),
        space_of(CONFIG, False),
        3,
        tuning._facts(CONFIG, space_of(CONFIG, False), 1, tuning.read(CONFIG)),
    ) as study:
        study.begin().watch(0, 5, 0.5)  # and here the process is killed
    fake.fails.clear()
    assert facts(tuning.tune(CONFIG, trials=7, output="parts").trials) == facts(whole.trials)[:7]
    assert facts(tuning.tune(CONFIG, trials=9, output="parts").trials) == facts(whole.trials)
    assert len(fake.asked) == 5 + 3 + 2, "no trial was trained twice but the one that was interrupted"
    assert tuning.tune(CONFIG, trials=9, output="parts").importances == whole.importances


def test_a_trial_whose_process_died_while_it_was_told_is_not_lost(fake, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(_study, "_tell", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            tuning.tune(CONFIG, trials=1)
    sweep = tuning.tune(CONFIG, trials=2)
    assert [trial.number for trial in sweep.trials] == [1, 2]
    assert len(fake.asked) == 2


def test_ctrl_c_before_anything_is_complete_is_an_interrupt(fake):
    fake.fails[1] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        tuning.tune(CONFIG)
    fake.fails.clear()
    fake.asked.clear()
    assert tuning.tune(CONFIG, trials=2).trials[0].values == space_of(CONFIG, False).own


def test_a_trial_that_falls_behind_is_given_up_and_still_tells_what_matters(fake):
    sweep = tuning.tune(CONFIG, trials=18)
    pruned = [trial for trial in sweep.trials if trial.state == "pruned"]
    assert pruned, "bad rates are given up"
    assert all(trial.number > _study.PRUNE_AFTER for trial in pruned)
    assert all(5 * _study.PRUNE_SHARE <= trial.epochs < 5 for trial in pruned)
    complete = [trial.score for trial in sweep.trials if trial.state == "complete"]
    assert max(trial.score for trial in pruned) < np.median(complete)
    assert next(iter(sweep.importances)) == "training.learning_rate"
    assert sweep.importances["training.learning_rate"] > 0.6
    assert sum(sweep.importances.values()) == pytest.approx(1)
    assert tuning.tune(CONFIG, trials=3, output="few").importances == {}


def test_a_trial_that_cannot_be_trained_is_recorded_and_the_others_go_on(fake):
    said = []
    fake.fails.update({2: TrainingError("the loss became nan."), 3: ConfigError("no such thing.")})
    sweep = tuning.tune(CONFIG, trials=5, say=said.append)
    assert [trial.state for trial in sweep.trials] == ["complete", "failed", "failed", "complete", "complete"]
    assert (sweep.trials[1].error, sweep.trials[1].score) == ("the loss became nan.", None)
    assert "trial 2/5  failed" in said[2] and said[2].endswith(": the loss became nan.")
    assert "5 trials (3 complete, 2 failed)" in sweep.to_text()


def test_a_first_trial_that_cannot_be_configured_is_told_at_once_and_can_be_mended(fake):
    fake.fails[1] = ConfigError("model.layers is wrong.")
    with pytest.raises(ConfigError, match=r"model\.layers is wrong\."):
        tuning.tune(CONFIG, trials=2)
    mended = parse_config(SMALL + SPACE, overrides=["model.layers=2", "tune.space.model.units=[4,8]"])
    assert tuning.tune(mended, trials=2).trials[0].values["model.layers"] == 2


def test_a_sweep_in_which_all_fails_is_an_error_that_says_why(fake):
    fake.fails.update({number: TrainingError(f"the loss became {number}.") for number in (1, 2)})
    with pytest.raises(TrainingError, match=r"none of 2 trials could be trained\. The first said: the loss became 1\."):
        tuning.tune(CONFIG, trials=2)


def test_time_ends_a_sweep_after_a_trial(fake):
    said = []
    assert len(tuning.tune(CONFIG, timeout=0, say=said.append).trials) == 1
    assert said[-1] == "the time is up after 1 of 12 trials; run it again to go on"
    assert len(tuning.tune(CONFIG, timeout=0).trials) == 2
    assert len(tuning.tune(CONFIG, timeout=1e6, trials=4).trials) == 4


OTHERS = {
    "model.units=32": "model.units was 16, now 32",
    "training.epochs=9": "training.epochs was 5, now 9",
    "data.sequences=5": "data.sequences was 4, now 5",
    "tune.seeds=2": "tune.seeds was 1, now 2",
    "tune.space.model.units=[8,16]": "tune.space.model.units was [8, 16, 32], now [8, 16]",
    "tune.space.model.layers.high=2": "tune.space.model.layers.high was 3, now 2",
    "seed=4": "seed was 3, now 4",
}


@pytest.mark.parametrize("override", OTHERS)
def test_another_sweep_in_the_same_folder_is_refused(fake, override):
    tuning.tune(CONFIG, trials=1)
    if override.startswith("tune.space.model.layers"):
        other = parse_config((SMALL + SPACE).replace("high: 3}", "high: 2}"))
    else:
        other = parse_config(SMALL + SPACE, overrides=[override])
    with pytest.raises(ConfigError) as caught:
        tuning.tune(other, trials=2)
    assert str(caught.value).startswith("runs/config-tune holds trials whose scores cannot be compared with new ones: ")
    assert OTHERS[override] in str(caught.value)
    assert str(caught.value).endswith("Set it back, or choose another --output.")
    assert len(fake.asked) == 1


def test_other_data_in_the_same_files_are_refused(fake):
    text = "task: tagging\ndata: {train: t.conll, dev: d.conll, test: nowhere.conll}\nseed: 1\ntraining: {epochs: 2}\ntune: {space: {model.units: [8, 16]}}\n"
    Path("t.conll").write_text("a X\nb Y\n")
    Path("d.conll").write_text("a X\n")
    tuning.tune(parse_config(text), trials=1)
    assert len(tuning.tune(parse_config(text), trials=2).trials) == 2
    Path("d.conll").write_text("a Y\n")
    with pytest.raises(ConfigError, match=r"data\.content was '.*', now '.*'"):
        tuning.tune(parse_config(text), trials=3)


def test_a_drawn_seed_is_kept(fake):
    unseeded = replace(CONFIG, seed=None)
    seed = tuning.tune(unseeded, trials=2).config.seed
    again = tuning.tune(unseeded, trials=4)
    assert again.config.seed == seed == fake.asked[-1].seed
    assert facts(again.trials) == facts(tuning.tune(replace(CONFIG, seed=seed), trials=4, output="seeded").trials)


def _full(folder: Path) -> None:
    (folder / "notes").write_text("mine")


def _broken(folder: Path) -> None:
    (folder / "study.db").write_text("no database, no database")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_full, "holds something that is no sweep of seqtag tune; choose another --output."),
        (_broken, "study.db cannot be read as a study"),
    ],
)
def test_a_folder_that_holds_something_else_is_refused(fake, make, message):
    Path("there").mkdir()
    make(Path("there"))
    with pytest.raises(ConfigError) as caught:
        tuning.tune(CONFIG, output="there")
    assert message in str(caught.value) and str(caught.value).startswith("there")


def test_two_at_once_in_one_folder_are_refused(fake):
    tuning.tune(CONFIG, trials=1, output="here")
    other = sqlite3.connect("here/.lock")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(ConfigError, match="is another seqtag tune at work there"):
        tuning.tune(CONFIG, trials=2, output="here")
    other.close()
    assert len(tuning.tune(CONFIG, trials=2, output="here").trials) == 2


def test_a_folder_of_any_name_will_do(fake):
    assert len(tuning.tune(CONFIG, trials=1, output="a {b}?c=%20#d 서울").trials) == 1
    assert Path("a {b}?c=%20#d 서울/study.db").is_file()


def test_without_optuna_it_says_how_to_get_it(fake, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(NotInstalledError, match="tuning needs optuna; run: pip install optuna"):
        tuning.tune(CONFIG)
    assert not Path("runs").exists()


def test_optuna_is_as_loud_afterwards_as_before(fake, capfd):
    import optuna

    before = optuna.logging.get_verbosity()
    tuning.tune(CONFIG, trials=2)
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")


# --- what is written --------------------------------------------------------------------------------------------


def test_the_best_is_a_configuration_after_each_trial(fake, monkeypatch):
    seen = []

    def look(line):
        path = Path("runs/config-tune/best.yaml")
        if path.exists():
            seen.append(load_config(path))

    sweep = tuning.tune(CONFIG, trials=6, say=look)
    assert len(seen) == 6
    assert (
        seen[-1]
        == sweep.config
        == replace(with_values(CONFIG, sweep.best.values), output="runs/config-tune/best", tune=None)
    )
    head = Path("runs/config-tune/best.yaml").read_text().splitlines()[:2]
    assert head == [
        f"# The best of 6 trials: dev span F1 {100 * sweep.best.score:.2f} (trial {sweep.best.number} of runs/config-tune).",
        "# Run: seqtag train runs/config-tune/best.yaml",
    ]
    assert {path.name for path in Path("runs/config-tune").iterdir()} <= {
        "study.db",
        ".lock",
        "trials.csv",
        "best.yaml",
        "tune.png",
    }


def test_the_trials_are_a_table(fake):
    fake.fails[2] = TrainingError('it said "no", twice')
    sweep = tuning.tune(CONFIG, trials=4)
    with Path("runs/config-tune/trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["trial"]) for row in rows] == [1, 2, 3, 4]
    assert [row["state"] for row in rows] == [trial.state for trial in sweep.trials]
    assert [row["score"] and float(row["score"]) for row in rows] == [trial.score or "" for trial in sweep.trials]
    assert rows[1]["error"] == 'it said "no", twice'
    assert [float(row["training.learning_rate"]) for row in rows] == [
        t.values["training.learning_rate"] for t in sweep.trials
    ]


def test_the_table_shows_the_best_first_and_how_to_train_it(fake):
    sweep = tuning.tune(CONFIG)
    head, *rows = sweep.to_text().splitlines()
    assert head.split() == [
        "trial",
        "span",
        "F1",
        "units",
        "learning_rate",
        "dropout",
        "layers",
        "epochs",
        "seconds",
        "state",
    ]
    assert int(rows[0].split()[0]) == sweep.best.number
    complete = [float(row.split()[1]) for row in rows[:10] if row.endswith("complete")]
    assert complete == sorted(complete, reverse=True)
    assert rows[10].startswith("12 trials (") and f"own values: {100 * sweep.trials[0].score:.2f}" in rows[10]
    assert rows[11].startswith("what mattered: learning_rate ")
    assert rows[12].endswith("Train it: seqtag train runs/config-tune/best.yaml")


def test_the_picture_is_drawn_or_it_says_what_that_needs(fake, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(_report, "draw", draw)
    fake.fails[3] = TrainingError("no.")
    tuning.tune(CONFIG, trials=9)
    assert Path("runs/config-tune/tune.png").read_bytes().startswith(b"\x89PNG")
    said = []
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    tuning.tune(CONFIG, trials=2, output="plain", say=said.append)
    assert said[-1] == "no picture of the sweep: pictures need matplotlib; run: pip install matplotlib"
    assert not Path("plain/tune.png").exists() and Path("plain/best.yaml").exists()


def test_a_picture_has_a_panel_a_parameter_what_mattered_first():
    pytest.importorskip("matplotlib")
    from seqtag.plots import SweepPoint, plot_sweep

    points = [
        SweepPoint(s, i == 2, {"units": 8 * (i + 1), "cell": "lstm" if i % 2 else "gru", "rate": 10.0**-i})
        for i, s in enumerate([0.8, 0.9, 0.2, None, 0.85])
    ]
    figure = plot_sweep(points, "accuracy", {"units": 0.1, "cell": 0.2, "rate": 0.7}, {"rate": "log"})
    top, *panels = figure.axes
    assert top.get_title(loc="left") == "Dev accuracy of 5 trials, best 90.00 % (trial 2)"
    assert [axes.get_title(loc="left") for axes in panels] == ["rate  70 %", "cell  20 %", "units  10 %"]
    assert [axes.get_xscale() for axes in panels] == ["log", "linear", "linear"]
    assert [label.get_text() for label in panels[1].get_xticklabels()] == ["gru", "lstm"]
    low, high = top.get_ylim()
    assert 20 < low < 80 and high > 90, "a score far below the others does not press them together"
    with pytest.raises(DataError, match="needs a trial with a score"):
        plot_sweep(points[3:4])


# --- real trainings ---------------------------------------------------------------------------------------------

TINY = """task: classification
data: {dataset: signals, sequences: 12, missing: 0.1}
model: {cell: simple_rnn, units: 4}
training: {epochs: 3, batch_tokens: 2000}
seed: 0
tune: {trials: 2, space: {model.units: [4, 6], training.learning_rate: {low: 1e-3, high: 1e-1, log: true}}}
"""


def test_pruning_ends_a_training_cleanly(eager):
    config = parse_config(TINY)
    corpora = tuning.read(config)
    seen = []

    def watch(epoch, epochs, score):
        seen.append((epoch, epochs, score))
        return epoch == 1

    outcome = Trainer(corpora, seeds=3)(config, watch)
    assert [(epoch, epochs) for epoch, epochs, _ in seen] == [(0, 3), (1, 3)], "one training, two epochs"
    assert (outcome.epochs, outcome.metric) == (2, "accuracy")
    assert outcome.score == max(score for *_, score in seen)


def test_seeds_are_trained_one_after_the_other_and_their_mean_counts(monkeypatch):
    asked = []

    def outcome(estimator, corpora, watcher):
        asked.append((estimator.random_state, watcher._decide(0, 3, 0.5)))
        return Outcome(estimator.random_state / 10, 3, "accuracy")

    monkeypatch.setattr(_training, "_outcome", outcome)
    config = replace(parse_config(TINY), seed=5)
    trainer = Trainer(tuning.read(config), seeds=3)
    assert trainer(config, lambda *_: False) == Outcome(pytest.approx(0.6), 9, "accuracy")
    assert asked == [(5, False), (6, False), (7, False)]
    asked.clear()
    assert trainer(config, lambda *_: True) == Outcome(0.5, 3, "accuracy"), "what was given up has no other seed"
    assert asked == [(5, True)]


def test_data_without_a_score_are_refused_before_training():
    text = TINY.replace("epochs: 3", "epochs: 3, validation_fraction: 0")
    assert tuning.read(parse_config(text)).keys() == {"train", "dev"}
    no_dev = "task: tagging\ndata: {train: t.conll}\ntraining: {validation_fraction: 0}\n"
    with pytest.raises(
        ConfigError, match=r"tuning needs development data, and there are none: name some under data\.dev"
    ):
        tuning.tune(parse_config(no_dev), corpora={"train": tuning.read(parse_config(text))["train"]})


def test_memory_that_ran_out_is_a_failed_training(monkeypatch):
    def full(*_):
        raise MemoryError

    monkeypatch.setattr(_training, "_outcome", full)
    config = parse_config(TINY)
    with pytest.raises(TrainingError, match="there was not enough memory; lower units, layers or batch_tokens"):
        Trainer(tuning.read(config), 1)(config, lambda *_: False)


@pytest.mark.slow
def test_a_training_leaves_nothing_behind(caplog):
    import gc

    from tensorflow.python.framework import ops

    config = parse_config(TINY.replace("simple_rnn", "lstm").replace("epochs: 3", "epochs: 1"))
    trainer = Trainer(tuning.read(config), 1)
    known = set(ops.gradient_registry.list())
    graphs = sum(type(one).__name__ == "FuncGraph" for one in gc.get_objects())
    trainer(config, lambda *_: False)
    assert set(ops.gradient_registry.list()) == known
    assert sum(type(one).__name__ == "FuncGraph" for one in gc.get_objects()) <= graphs


@pytest.mark.slow
def test_a_sweep_on_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(TINY)
    short = ["--set", "training.epochs=1"]
    result = CliRunner().invoke(app, ["tune", "c.yaml", *short, "--trials", "1"])
    assert result.exit_code == 0, result.stderr
    result = CliRunner().invoke(app, ["tune", "c.yaml", *short])
    logging.getLogger("seqtag").handlers.clear()
    assert result.exit_code == 0, result.stderr
    assert "test" not in result.stderr, "which is not read"
    assert "2 trials in runs/c-tune, 1 of them done before" in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("trial ")]
    assert [line.split("  ")[0] for line in lines] == ["trial 2/2"]
    best = load_config("runs/c-tune/best.yaml")
    assert result.stdout.splitlines()[-1].endswith("Train it: seqtag train runs/c-tune/best.yaml")
    trained = CliRunner().invoke(app, ["train", "runs/c-tune/best.yaml", "--quiet"])
    assert trained.exit_code == 0, trained.stderr
    scores = json.loads(Path(best.output, "scores.json").read_text())
    with Path("runs/c-tune/trials.csv").open(newline="") as file:
        found = max(float(row["score"]) for row in csv.DictReader(file))
    assert scores["dev"]["accuracy"] == pytest.approx(found), "training the best reaches what the sweep reported"
    other = CliRunner().invoke(app, ["tune", "c.yaml", "--quiet"])
    assert (other.exit_code, other.stdout) == (2, "")
    assert "training.epochs was 1, now 3" in other.stderr
