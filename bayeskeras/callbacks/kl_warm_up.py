"""KLWarmUp: the KL divergence comes in over the first epochs."""

from __future__ import annotations

from typing import Any

import keras

from bayeskeras.priors.prior import is_number


class KLWarmUp(keras.callbacks.Callback):
    """Raises `kl_weight` of a `BayesianModel` linearly, epoch by epoch, to the value that it has.

    In epoch e (from 0) the weight is `kl_weight * (start + (1 - start) * share)`, where the share is 0 for the first
    `delay` epochs and then rises by `1 / epochs` each, to 1. While it is below
    `kl_weight` the loss is not the ELBO: a departure that helps networks to fit before the prior prunes them
    (Soenderby et al. 2016, "Ladder variational autoencoders"). It depends on the epoch alone, so a training
    that resumes (with `initial_epoch`) goes on where it was. Validation has the full weight in every epoch, so that
    `val_loss` can be compared between epochs (`EarlyStopping`).

    Every other call of `fit` starts at epoch 0 again: several calls of one epoch all train with the weight of the
    first one, and a second long training starts with the small weight again. So it is with the warm-up that a
    posterior brings (`kl_warm_up`, a share of the epochs of one `fit`); of a single epoch its rise rounds to none,
    and the whole weight acts from the start.

    Args:
        epochs: number of epochs of the rise, at least 1.
        start: share of the weight in the first epoch, between 0 and 1.
        delay: number of epochs before the rise.

    Raises:
        ValueError: if an argument is out of range, or the model is not a `BayesianModel`.

    Example:
        ```python
        import bayeskeras as bk

        x, y = bk.datasets.load("digits", "train")
        model = bk.models.LeNet()
        model.compile(optimizer="adam")
        model.fit(x, y, epochs=3, callbacks=[bk.callbacks.KLWarmUp(epochs=2)])
        ```
    """

    def __init__(self, epochs: int, start: float = 0.0, delay: int = 0) -> None:
        super().__init__()
        if not is_number(epochs) or epochs < 1:
            raise ValueError(f"KLWarmUp: expected epochs >= 1, received: epochs={epochs!r}")
        if not is_number(start) or not 0.0 <= start <= 1.0:
            raise ValueError(f"KLWarmUp: expected 0 <= start <= 1, received: start={start!r}")
        if not is_number(delay) or delay < 0:
            raise ValueError(f"KLWarmUp: expected delay >= 0, received: delay={delay!r}")
        self.epochs = epochs
        self.start = start
        self.delay = delay
        self._share = 1.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Check the model."""
        if not hasattr(self.model, "warm_up_kl"):
            raise ValueError(f"KLWarmUp: expected a BayesianModel, received: {type(self.model).__name__}")

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the weight of this epoch."""
        share = min(1.0, max(0, epoch - self.delay) / self.epochs)
        self._share = self.start + (1.0 - self.start) * share
        self.model.warm_up_kl(self._share)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Validate with the full weight: `val_loss` is the ELBO in every epoch, for callbacks that compare epochs."""
        self.model.warm_up_kl(1.0)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Set the weight of the epoch again."""
        self.model.warm_up_kl(self._share)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Set the full weight."""
        self._share = 1.0
        self.model.warm_up_kl(1.0)


def with_kl_warm_up(callbacks: Any, share: float, epochs: int) -> Any:
    """The callbacks of `fit`, and a warm-up if there is none among them.

    Args:
        callbacks: as in `keras.Model.fit`.
        share: of the epochs that the rise takes.
        epochs: of the training.
    """
    rise = round(share * epochs)  # 0 where there are too few epochs for one without the divergence.
    if not rise or isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks
    given = [] if callbacks is None else list(keras.tree.flatten(callbacks))
    return (
        callbacks if any(isinstance(callback, KLWarmUp) for callback in given) else [KLWarmUp(rise), *given]
    )
