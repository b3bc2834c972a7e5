"""The predictive distribution of a Bayesian network."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from bayeskeras import mixture, tfp
from bayeskeras.likelihoods.categorical import class_indices
from bayeskeras.likelihoods.likelihood import Array
from bayeskeras.stored_draws import StoredDraws


class PredictiveDistribution(StoredDraws):
    """The distribution of the labels of N inputs: an equal mixture of T networks (draws).

    `p(y | x) = 1/T sum_t p(y | x, theta_t)`. NumPy in, NumPy out. The likelihood's parameters of every draw
    are stored, so densities and variances are exact; entropies are in nats. Below, `(N, ...)` is the shape of
    the mean: `(N, K)` for K classes, `(N, positions, K)` for classes at positions, `(N, D)` for D outputs of
    a regression.

    Args:
        likelihood: a `Likelihood` or its name.
        parameters: the likelihood's parameters by name, arrays `(T, N, ...)`; shared ones may have size 1 on
            the axes that share them. Identical draws may be a view made by `np.broadcast_to`; they are kept
            once.

    Raises:
        ValueError: if parameters are missing, empty, of inconsistent shapes, NaN or infinite.

    Example:
        ```python
        import numpy as np
        from bayeskeras import PredictiveDistribution

        logits = np.random.default_rng(0).normal(size=(50, 8, 3))  # 50 draws, 8 inputs, 3 classes
        distribution = PredictiveDistribution("categorical", {"logits": logits})
        distribution.mean()  # (8, 3)
        distribution.mutual_information()  # (8,)
        distribution[2:5].log_prob([0, 1, 2])  # (3,)
        ```
    """

    def mean(self) -> Array:
        """Mean `(N, ...)`: class probabilities, or the mean of each output."""
        return self._moments.mean

    def variance(self) -> Array:
        """Variance `(N, ...)` = `aleatoric()` + `epistemic()`, the law of total variance."""
        return self.aleatoric() + self.epistemic()

    def aleatoric(self) -> Array:
        """Noise that more data would not remove, `(N, ...)`: the mean over draws of each draw's variance.

        For classes `mean_t p (1 - p)`, the diagonal of the aleatoric covariance of Kwon et al. (2018).
        """
        return self._moments.aleatoric

    def epistemic(self) -> Array:
        """Doubt about the network, `(N, ...)`: the variance over draws (divided by T) of each draw's mean.

        For classes the variance of p, the diagonal of the epistemic covariance of Kwon et al. (2018).
        """
        return self._moments.epistemic

    def _class_mean(self, what: str) -> Array:
        """Mean probabilities with the classes on the last axis, `(N, ..., K)`; raises for a regression."""
        if not self.is_classification:
            raise ValueError(
                f"{what} is for classifications; expected Categorical or Bernoulli (a regression has mean, "
                f"variance, interval), received: likelihood={type(self.likelihood).__name__}"
            )
        return self.likelihood.class_probabilities(self._moments.mean)

    def entropy(self, num_samples: int = 1000, seed: int | None = 0) -> Array:
        """Entropy of the predictive distribution, in nats.

        Args:
            num_samples: labels per input for the Monte Carlo estimate; regression only.
            seed: of the estimate; regression only.

        Returns:
            Classes: exact, the shape of `confidence()`. Regression: `(N,)`, a Monte Carlo *estimate* of the
            joint (differential) entropy of all outputs, `-mean log p(y)` over labels drawn from the mixture;
            exact where all draws are identical. Its cost grows with num_samples x T x N.

        Raises:
            ValueError: if `num_samples` is less than 1, or draws of a regression were not kept.
        """
        if self.is_classification:
            return special.entr(self._class_mean("entropy")).sum(axis=-1)
        parameters = self._all_draws("entropy of a regression")
        mixture.check_count("num_samples", num_samples)
        if mixture.sizes(parameters)[0] == 1:
            return mixture.expected_entropy(self.likelihood, parameters)
        return mixture.entropy(self.likelihood, parameters, num_samples, np.random.default_rng(seed))

    def expected_entropy(self) -> Array:
        """Mean over draws of each draw's entropy, in nats; exact. Shape of `entropy()`.

        Raises:
            ValueError: if draws of a regression were not kept.
        """
        if self.is_classification:
            return self._moments.class_entropy
        return mixture.expected_entropy(self.likelihood, self._all_draws("expected_entropy of a regression"))

    def mutual_information(self, num_samples: int = 1000, seed: int | None = 0) -> Array:
        """Information that a label would give about the network, in nats: `entropy() - expected_entropy()`.

        Also called BALD (Houlsby et al. 2011). Never below 0. For a regression `entropy` is a Monte Carlo
        estimate, so this is one too.

        Args:
            num_samples: as for `entropy`.
            seed: as for `entropy`.

        Returns:
            Array of the shape of `entropy()`.
        """
        return np.maximum(self.entropy(num_samples, seed) - self.expected_entropy(), 0.0)

    def variation_ratio(self) -> Array:
        """Share of draws outside the class with most votes (Freeman 1965); the shape of `confidence()`."""
        self._class_mean("variation_ratio")
        return 1.0 - self._moments.votes.max(axis=-1) / self._moments.num_samples

    def confidence(self) -> Array:
        """Largest mean class probability.

        Returns:
            `(N, ...)` without the class axis; for `Bernoulli` the shape of the mean, `max(p, 1 - p)`.

        Raises:
            ValueError: for a regression.
        """
        return self._class_mean("confidence").max(axis=-1)

    def mode(self) -> Array:
        """Class of the largest mean probability, integers of the shape of `confidence()`."""
        return self._class_mean("mode").argmax(axis=-1)

    def check_labels(self, y: Any) -> Array:
        """Labels of all N inputs as the likelihood wants them; class labels as integers, one-hot or not.

        Raises:
            ValueError: if number, shape or range of the labels are wrong.
        """
        y = self.likelihood.align_labels(y, (None, *self.shape[1:]))
        if len(y) != len(self):
            raise ValueError(f"expected {len(self)} labels, one for each input, received: y.shape={y.shape}")
        return class_indices(y, self.shape) if self.likelihood.has_class_axis else y

    def log_prob(self, y: Any) -> Array:
        """Log density of labels under the mixture of joint densities.

        `logsumexp_t [sum over outputs and positions of log p(y | theta_t)] - log T`.

        Args:
            y: labels of the N inputs.

        Returns:
            Array `(N,)`, in nats.

        Raises:
            ValueError: if labels are wrong, or draws that are needed were not kept.
        """
        y = self.check_labels(y)
        if self._parameters is None and self._one_label_an_input():
            return mixture.log_prob_of_mean(self._class_mean("log_prob"), y)
        return mixture.log_prob(self.likelihood, self._all_draws("log_prob"), y[None])[0]

    def sample(self, n: int = 1, seed: int | None = None) -> Array:
        """Labels drawn from the mixture.

        Args:
            n: labels per input.
            seed: of the draws; None for other ones at each call.

        Returns:
            Array `(n, N, ...)` of the label shape; all outputs and positions of a label are from the same
            network.

        Raises:
            ValueError: if `n` is less than 1, or draws that are needed were not kept.
        """
        mixture.check_count("n", n)
        generator = np.random.default_rng(seed)
        if not self._one_label_an_input():
            return mixture.sample(self.likelihood, self._all_draws("sample"), n, generator)
        return mixture.sample_of_mean(self._class_mean("sample"), n, generator)

    def cdf(self, y: Any) -> Array:
        """Cumulative probability of each label: that of labels up to it, under the mixture's marginal of its output.

        Of labels from the distribution itself it is uniform on [0, 1] (for continuous ones): the probability integral
        transform, with which calibration is checked.

        Args:
            y: labels of the N inputs.

        Returns:
            Array `(N, ...)`, one number for each output.

        Raises:
            ValueError: if labels are wrong or are classes, or draws were not kept.
        """
        if self.is_classification:
            raise ValueError(f"cdf: expected a regression, received: {self!r}")
        return mixture.cdf(self.likelihood, self._all_draws("cdf"), self.check_labels(y))

    def quantile(self, q: Any) -> Array:
        """Quantile of the predictive distribution.

        Args:
            q: a number, or several on one axis. Between 0 and 1, for a regression both excluded.

        Returns:
            `(N, ...)`, or `(len(q), N, ...)` for several. Regression: the quantile of the mixture's marginal
            for each output. Classes: the quantile *over draws* of each class probability, that is, how sure
            the networks are of the probability.

        Raises:
            ValueError: if q is out of range or draws were not kept.
        """
        parameters = self._all_draws("quantile")
        levels = np.asarray(q, dtype=np.float64)
        inside = (levels >= 0) & (levels <= 1) if self.is_classification else (levels > 0) & (levels < 1)
        if levels.ndim > 1 or levels.size == 0 or not inside.all():
            raise ValueError(f"expected q between 0 and 1, received: q={q!r}")
        if self.is_classification:
            unique = self.samples[: mixture.sizes(parameters)[0]]
            return np.quantile(unique, levels, axis=0)
        found = [
            mixture.quantile(self.likelihood, parameters, float(level)) for level in np.atleast_1d(levels)
        ]
        return np.stack(found) if levels.ndim else found[0]

    def interval(self, level: float = 0.9) -> tuple[Array, Array]:
        """Central interval: the quantiles at `(1 - level) / 2` and `(1 + level) / 2` (see `quantile`).

        Args:
            level: probability inside, between 0 and 1.

        Returns:
            `(lower, upper)`, each `(N, ...)`.

        Raises:
            ValueError: if `level` is out of range or draws were not kept.
        """
        if not 0.0 < level < 1.0:
            raise ValueError(f"expected level between 0 and 1, received: level={level!r}")
        lower, upper = self.quantile([(1.0 - level) / 2.0, (1.0 + level) / 2.0])
        return lower, upper

    def to_tfp(self) -> Any:
        """This distribution in tensorflow-probability, of the active backend (PyTorch: NumPy substrate).

        Returns:
            `Categorical(probs=mean)` for classes `(N, K)`; otherwise `MixtureSameFamily` over the T draws,
            with all outputs of an input as one event. Batch shape `(N,)`.

        Raises:
            ImportError: if tensorflow-probability is not installed.
            ValueError: if draws that are needed were not kept.
        """
        if self.likelihood.has_class_axis and len(self.shape) == 2:
            return tfp.distributions().Categorical(probs=self.mean().astype(np.float32))
        return mixture.to_tfp(self.likelihood, self._all_draws("to_tfp"))

    def plot(self, **options: Any) -> Any:
        """A figure: `plotting.predictive` for classes, `plotting.reconstructions` for images,
        `plotting.regression_band` for another regression.

        Args:
            **options: of that function, for example `images=`, `texts=`, `series=` or `x=`.

        Returns:
            `matplotlib.figure.Figure`.
        """
        from bayeskeras import plotting

        is_image = len(self.shape) == 4 and not self.likelihood.has_class_axis
        is_grey = len(self.shape) == 3 and not self.likelihood.has_class_axis
        is_grey = is_grey and np.shape(options.get("images", ())) in (self.shape, (*self.shape, 1))
        if (is_image or is_grey) and "images" in options:
            return plotting.reconstructions(options.pop("images"), self, **options)
        if is_image:
            raise ValueError(
                "plot: expected images=, the data beside which they are shown (or plotting.field_reconstruction for "
                f"a field), received: a distribution of images {self.shape} and {sorted(options)}"
            )
        return (plotting.predictive if self.is_classification else plotting.regression_band)(self, **options)
