"""What all estimators share: what ``fit`` learned is a bundle, which is saved, loaded, pickled and answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import sklearn.exceptions
from sklearn.base import BaseEstimator

from seqtag.bundle import Bundle
from seqtag.errors import BundleError, NotFittedError
from seqtag.params import schema
from seqtag.predictor import Predictor


class FittedEstimator(BaseEstimator):
    """Base of the estimators: what ``fit`` learned is a `Bundle`, and what is opened on it answers.

    So the estimator, a loaded model, the command line and a pickled copy run the same lines on the same bytes.
    """

    task: str

    def _set_bundle(self, bundle: Bundle) -> None:
        self.bundle_ = bundle
        self._predictor: Any = None
        self._model: Any = None

    @property
    def predictor_(self) -> Any:
        """What answers for this estimator."""
        self._check_fitted()
        if self._predictor is None:
            self._predictor = self._opened(self.bundle_)
        return self._predictor

    def _opened(self, bundle: Bundle) -> Any:
        """Return what answers for a model."""
        return Predictor.from_bundle(bundle)

    @property
    def model_(self) -> Any:
        """The trained Keras model, rebuilt from the weights where it was loaded."""
        self._check_fitted()
        if self._model is None:
            from seqtag.nn.network import restore

            self._model = restore(self.bundle_.manifest["network"], self.bundle_.weights())
        return self._model

    def _progress(self, metric: str) -> list[Any]:
        from seqtag.training.progress import LogEpochs, ProgressBar

        return [[], [ProgressBar(metric)], [LogEpochs(metric)]][self.verbose]

    def _seed(self) -> int:
        drawn = np.random.SeedSequence().generate_state(1)[0]
        return int(drawn if self.random_state is None else self.random_state)

    @property
    def history_(self) -> dict[str, Any]:
        """Loss, score, seconds and tokens a second of each epoch, and the best epoch."""
        self._check_fitted()
        return self.bundle_.json("metrics.json")["history"]

    @property
    def n_tokens_(self) -> int:
        """Tokens (or frames) trained on."""
        self._check_fitted()
        return int(self.bundle_.json("metrics.json")["train_tokens"])

    def save(self, path: str | Path) -> Path:
        """Write the model as a folder.

        Parameters
        ----------
        path : path
            The folder; an older model there is replaced at once.

        Returns
        -------
        Path
        """
        self._check_fitted()
        return self.bundle_.write(path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the estimator that `save` wrote, with its parameters and what it learned.

        Raises
        ------
        BundleError
            If the folder is no model, is broken, or was written by another kind of estimator.
        """
        return cls.from_bundle(Bundle.read(path))

    @classmethod
    def from_bundle(cls, bundle: Bundle) -> Self:
        """Return the estimator of a bundle that has been read."""
        found = bundle.manifest.get("task")
        if found != cls.task:
            raise BundleError(f"{cls.__name__} loads models of the task {cls.task!r}; this one is of {found!r}.")
        # JSON has no tuples; what was one comes back as one, so that repr shows only what was changed.
        tuples = [name for name, field in schema(cls).items() if isinstance(field.default, tuple)]
        try:
            params = bundle.manifest["params"]
            estimator = cls(**params | {name: tuple(params[name]) for name in tuples if name in params})
        except (AttributeError, KeyError, TypeError) as error:
            raise BundleError(f"the model's parameters are not those of {cls.__name__}: {error}.") from error
        estimator._set_bundle(bundle)
        return estimator

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "bundle_")

    def __dir__(self) -> list[str]:
        """Leave the Keras model out until it is there: to show an estimator, scikit-learn reads all that is listed."""
        is_built = getattr(self, "_model", None) is not None
        return [name for name in object.__dir__(self) if (name != "model_" or is_built) and hasattr(self, name)]

    def __getstate__(self) -> dict[str, Any]:
        """Leave the session and the Keras model out: both are made again from the bundle."""
        return {key: value for key, value in super().__getstate__().items() if key not in ("_predictor", "_model")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "bundle_" in state:
            self._set_bundle(state["bundle_"])

    def _check_fitted(self) -> None:
        if not hasattr(self, "bundle_"):
            raise _NotFittedError(f"this {type(self).__name__} is not fitted yet; call fit(X, y) first.")


class _NotFittedError(NotFittedError, sklearn.exceptions.NotFittedError):
    """Caught by either name."""
