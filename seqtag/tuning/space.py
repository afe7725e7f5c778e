"""What is tried: the space of a configuration, or the task's own, and trials as values of parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from seqtag.config import Choice, Config, Domain, Range

DIGITS = 4
"""Significant digits of a number that is drawn: more make no difference to a network, and are hard to read."""


@dataclass(frozen=True)
class Space:
    """What is tried.

    Parameters
    ----------
    domains : mapping of str to Range or Choice
        What each parameter may be, by ``model.name`` or ``training.name``.
    own : mapping of str to object
        The configuration's own values of the same parameters, which are the first trial.
    """

    domains: Mapping[str, Domain]
    own: Mapping[str, Any]

    @property
    def outside(self) -> tuple[str, ...]:
        """The parameters whose own value no other trial can have."""
        return tuple(name for name, domain in self.domains.items() if not holds(domain, self.own[name]))

    def own_params(self) -> dict[str, Any]:
        """Return the own values as Optuna is told them, those `outside` left out."""
        outside = self.outside
        inside = {name: domain for name, domain in self.domains.items() if name not in outside}
        return {name: _encoded(domain, self.own[name]) for name, domain in inside.items()}

    def distributions(self, names: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return Optuna's distributions, of all parameters or of those named."""
        return {name: _distribution(domain) for name, domain in self.domains.items() if names is None or name in names}

    def values(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that Optuna's parameters stand for, numbers rounded to `DIGITS`."""
        return {name: _decoded(domain, params[name]) for name, domain in self.domains.items()}


def space_of(config: Config, numeric: bool) -> Space:
    """Return what a configuration asks to try, or else what is worth trying for its task.

    Parameters
    ----------
    config : Config
        With or without a space of its own.
    numeric : bool
        Whether its sequences are frames of numbers rather than words.
    """
    domains = config.tune.space if config.tune and config.tune.space else default_domains(config, numeric)
    return Space(domains, {name: value_in(config, name) for name in domains})


def default_domains(config: Config, numeric: bool) -> dict[str, Domain]:
    """Return what is worth trying for a task, around the configuration's own values.

    These are the parameters that no rule of thumb settles, since they depend on the size and the noise of the data:
    rate and length of the steps' mean, the network's width and dropout, the size of a batch; for words the strength
    of the neighbouring words' loss, for classes the pooling, for language models how much of the recurrent weights is
    left out.
    """
    units, batch = config.model["units"], config.training["batch_sequences"]
    domains: dict[str, Domain] = {
        "training.learning_rate": Range(2e-3, 2e-2, log=True),
        "model.units": Range(max(8, units // 2), 2 * max(8, units), log=True, integer=True),
        "model.dropout": Range(0.1, 0.6),
        "training.batch_sequences": Choice(tuple(dict.fromkeys((max(1, batch // 2), batch, 2 * batch)))),
        "training.averaging": Choice((0.99, 0.995, 0.998, 0.999)),
    }
    if config.task == "language_modelling":
        domains |= {"training.learning_rate": Range(1e-3, 1e-2, log=True), "model.weight_dropout": Range(0.0, 0.5)}
    elif not numeric:
        domains["training.neighbour_weight"] = Range(0.0, 0.6)
    if "pooling" in config.model:
        domains["model.pooling"] = Choice(("max", "mean", "last", "attention"))
    return {name: _widened(domain, value_in(config, name)) for name, domain in domains.items()}


def value_in(config: Config, name: str) -> Any:
    """Return a configuration's value of ``model.name`` or ``training.name``."""
    group, _, parameter = name.partition(".")
    return getattr(config, group)[parameter]


def with_values(config: Config, values: Mapping[str, Any]) -> Config:
    """Return a configuration with some values changed, by ``model.name`` or ``training.name``."""
    groups: dict[str, dict[str, Any]] = {"model": dict(config.model), "training": dict(config.training)}
    for name, value in values.items():
        group, _, parameter = name.partition(".")
        groups[group][parameter] = value
    return replace(config, model=groups["model"], training=groups["training"])


def holds(domain: Domain, value: Any) -> bool:
    """Tell whether a value is one that a trial can have."""
    if isinstance(domain, Choice):
        return any(_is_same(value, choice) for choice in domain.values)
    if not isinstance(value, (int, float)) or not domain.low <= value <= domain.high:
        return False
    step = 1 if domain.integer else domain.step
    return not step or not (Decimal(str(value)) - Decimal(str(domain.low))) % Decimal(str(domain.step or step))


def _widened(domain: Domain, own: Any) -> Domain:
    """Let a default domain hold the own value, if that is a number a range can reach."""
    if isinstance(domain, Choice):
        return domain if holds(domain, own) else Choice((own, *domain.values))
    if domain.log and own <= 0:
        return domain
    return replace(domain, low=min(domain.low, own), high=max(domain.high, own))


def _distribution(domain: Domain) -> Any:
    from optuna import distributions

    if isinstance(domain, Choice):
        return distributions.CategoricalDistribution([_label(value) for value in domain.values])
    if domain.integer:
        return distributions.IntDistribution(int(domain.low), int(domain.high), domain.log, int(domain.step or 1))
    return distributions.FloatDistribution(domain.low, domain.high, domain.log, domain.step)


def _label(value: Any) -> Any:
    """Return a choice as Optuna can store it: a list or a mapping as JSON."""
    return value if value is None or isinstance(value, (bool, int, float, str)) else json.dumps(value)


def _encoded(domain: Domain, value: Any) -> Any:
    if isinstance(domain, Choice):
        return _label(next(choice for choice in domain.values if _is_same(value, choice)))
    return int(value) if domain.integer else float(value)


def _decoded(domain: Domain, param: Any) -> Any:
    if isinstance(domain, Choice):
        return next(value for value in domain.values if _is_same(_label(value), param))
    if domain.integer:
        return int(param)
    if domain.step is not None:  # Optuna adds steps in binary, where 0.1 + 2 * 0.1 is 0.30000000000000004
        steps = round((param - domain.low) / domain.step)
        return float(Decimal(str(domain.low)) + steps * Decimal(str(domain.step)))
    return min(max(float(f"{param:.{DIGITS}g}"), float(domain.low)), float(domain.high))


def _is_same(value: Any, other: Any) -> bool:
    """Tell whether two values are equal; true and 1 are not."""
    return isinstance(value, bool) == isinstance(other, bool) and value == other
