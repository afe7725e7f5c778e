"""What all estimators share: parameters checked at fit, a fitted model held as a bundle, save, load, pickle."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from sklearn.base import BaseEstimator

import seqtag
from seqtag.bundle import Bundle
from seqtag.errors import BundleError, NotFittedError
from seqtag.params import schema
from seqtag.predictor import Predictor

LIBRARIES = ("keras", "tensorflow", "numpy", "onnx", "onnxruntime", "scikit-learn")


class SequenceEstimator(BaseEstimator):
    """Base of the estimators: what ``fit`` learned is a `Bundle`, and a `Predictor` opened on it answers.

    So the estimator, a loaded model, the command line and a pickled copy run the same lines on the same bytes.
    """

    task: str

    def _set_bundle(self, bundle: Bundle) -> None:
        self.bundle_ = bundle
        self._predictor: Predictor | None = None
        self._model: Any = None

    @property
    def predictor_(self) -> Predictor:
        """The `Predictor` that answers for this estimator."""
        self._check_fitted()
        if self._predictor is None:
            self._predictor = Predictor.from_bundle(self.bundle_)
        return self._predictor

    @property
    def model_(self) -> Any:
        """The trained Keras model, rebuilt from the weights where it was loaded."""
        self._check_fitted()
        if self._model is None:
            from seqtag.nn.network import restore

            self._model = restore(self.bundle_.manifest["network"], self.bundle_.arrays("weights.npz"))
        return self._model

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

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that X holds sequences of strings, not the rows of a table."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.target_tags.multi_output = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "bundle_")

    def __getstate__(self) -> dict[str, Any]:
        """Leave the session and the Keras model out: both are made again from the bundle."""
        return {key: value for key, value in super().__getstate__().items() if key not in ("_predictor", "_model")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "bundle_" in state:
            self._set_bundle(state["bundle_"])

    def _check_fitted(self) -> None:
        if not hasattr(self, "bundle_"):
            raise NotFittedError(f"this {type(self).__name__} is not fitted yet; call fit(X, y) first.")


def environment() -> dict[str, str]:
    """Return the versions a model was made with."""
    found = {"python": platform.python_version(), "seqtag": seqtag.__version__}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def plain(value: Any) -> Any:
    """Turn tuples and NumPy's numbers into what JSON holds."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return value.item() if hasattr(value, "dtype") else value
