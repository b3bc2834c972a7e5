"""BayesianModel: a Keras model with a posterior over its weights and a likelihood of its labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from bayeskeras import posteriors
from bayeskeras.layers import MAP, SparseVariationalDropout
from bayeskeras.layers.divergence import kl_layers
from bayeskeras.layers.draws import stochastic_layers
from bayeskeras.layers.names import named
from bayeskeras.layers.rates import dropout_rates
from bayeskeras.models import preset_folder
from bayeskeras.models.elbo_model import ELBOModel
from bayeskeras.models.predict import check_positive_integer, evaluate, predict
from bayeskeras.models.prediction import PredictionEngine
from bayeskeras.predictive import PredictiveDistribution

Array = np.ndarray
Tensor = Any


@keras.saving.register_keras_serializable(package="bayeskeras.models")
class BayesianModel(ELBOModel):
    """A functional Keras model that is trained on the ELBO and predicts distributions.

    Scaling convention, the only one: `loss = mean over the batch of NLL + kl_weight * KL / N`. The NLL of an
    example is summed over outputs and positions, the KL divergence over all weights, and N is the number of
    training examples, which `fit` finds. So the loss is the negative ELBO per example.

    The model's own outputs (`predict`) are the parameters of the likelihood at the posterior means (logits
    for `Categorical` and `Bernoulli`), deterministic and as fast as the plain model. The metrics given to
    `compile` compare labels with the mean of the likelihood: probabilities for classes.

    Args:
        inputs: `keras.Input` or a nest of them.
        outputs: the single output tensor.
        name: name of the model.
        likelihood: see `bayeskeras.likelihoods.get`.
        posterior: the family of the posterior, a name or an object, for the record; `"map"` declares that a
            network without stochastic layers is meant to be one.
        image_input: whether inputs are images: floats must be in [0, 1], and uint8 is divided by 255.
        kl_weight: factor of the KL divergence: 1 is the ELBO, less is a tempered ("cold") posterior, which
            is a departure from it.
        vocabulary: `bayeskeras.models.Vocabulary` of a network of ids, whose `fit`, `evaluate`, `predict`,
            `predict_distribution` and `evaluate_distribution` then take texts; `None` for others.
        **kwargs: `trainable` of `keras.Model`.

    Raises:
        ValueError: if there is more than one output, the likelihood does not fit it, or there is a vocabulary and
            more than one input.

    Example:
        ```python
        import bayeskeras as bk
        import keras
        import numpy as np

        inputs = keras.Input((4,))
        x = bk.layers.MeanField(keras.layers.Dense(32, activation="relu"))(inputs)
        outputs = bk.layers.MeanField(keras.layers.Dense(3))(x)
        model = bk.BayesianModel(inputs, outputs, likelihood="categorical")
        model.compile(optimizer="adam")
        x, y = np.random.rand(100, 4), np.random.randint(0, 3, 100)
        model.fit(x, y, epochs=2, verbose=0)
        distribution = model.predict_distribution(x, num_samples=20, seed=0)
        distribution.entropy()  # (100,), in nats
        ```
    """

    # Predictions.

    def predict_distribution(
        self,
        x: Any,
        num_samples: int = 100,
        batch_size: int | None = None,
        seed: int | None = None,
        keep_samples: bool = True,
        verbose: int | str = "auto",
    ) -> PredictiveDistribution:
        """Posterior predictive distribution: T networks, each applied to every input.

        Args:
            x: inputs `(N, ...)`; arrays, or an iterable of batches (read once). Texts, if there is a vocabulary; a
                warning tells of those that are mostly unknown to it or cut.
            num_samples: number T of networks.
            batch_size: inputs of one compiled call; the result does not depend on it.
            seed: a non-negative integer. The same seed gives the same networks on the same backend, whatever
                the batch size; `None` takes one from NumPy's global generator.
            keep_samples: `False` keeps running moments only: memory does not grow with T.
            verbose: 0 silent, 1 progress bar, `"auto"` a bar after three seconds.

        Returns:
            `PredictiveDistribution` over N inputs and T draws.

        Raises:
            ValueError: if nothing in the model is stochastic and it is not declared MAP, or an argument or
                input is wrong.
        """
        return self._predict(x, num_samples, batch_size, seed, keep_samples, verbose)[0]

    def _predict(
        self, x: Any, num_samples: int, *arguments: Any
    ) -> tuple[PredictiveDistribution, list[Array]]:
        check_positive_integer("num_samples", num_samples)
        engine = self.prediction_engine()
        if not engine.is_random and not self.is_map:
            raise ValueError(
                f"predict_distribution: expected a model with stochastic layers, or one declared "
                f'posterior="map"; received: model {self.name!r}, in which nothing is stochastic'
            )
        return predict(self, [(engine, num_samples)], x, *arguments)

    def prediction_engine(self) -> PredictionEngine:
        """The engine behind `predict_distribution`, made once."""
        if not self._engine:
            self._engine.append(PredictionEngine(self))
        return self._engine[0]

    @property
    def is_map(self) -> bool:
        """Whether the network is declared a point estimate."""
        if stochastic_layers(self):
            return False
        return isinstance(self.posterior, posteriors.MAP) or any(
            isinstance(layer, MAP) for layer in kl_layers(self)
        )

    def evaluate_distribution(
        self,
        x: Any,
        y: Any = None,
        num_samples: int = 50,
        batch_size: int | None = None,
        seed: int | None = None,
        keep_samples: bool = True,
        verbose: int | str = "auto",
    ) -> dict[str, float]:
        """Scores of the posterior predictive distribution.

        Args:
            x: inputs, as in `predict_distribution`; an iterable of batches may hold the labels.
            y: labels, for arrays.
            num_samples: number T of networks.
            batch_size: inputs of one compiled call.
            seed: as in `predict_distribution`.
            keep_samples: as in `predict_distribution`; some scores of a regression need all draws.
            verbose: as in `predict_distribution`.

        Returns:
            For classes: accuracy, nll, brier, ece ...; for regression: rmse, mae, nll, coverage ... (see
            `bayeskeras.metrics.evaluate`).

        Raises:
            ValueError: as `predict_distribution`, or if labels are missing or wrong.
        """
        return evaluate(self, x, y, num_samples, batch_size, seed, keep_samples, verbose)

    # What the posterior of each layer is like.

    def rates(self) -> dict[str, float]:
        """Dropout rate of each layer that has one, fixed or learned, by the name of the layer.

        For Gaussian dropout the rate of binary dropout with the same variance, `alpha / (1 + alpha)`. Layers of
        the same name have those of the models around them before it: `"block_a/dense"`. A recurrent layer of tied
        masks has two: `"lstm/input"` and `"lstm/recurrent"`.
        """
        return dropout_rates(self)

    def sparsity(self) -> dict[str, float]:
        """Share of pruned weights of each layer of sparse variational dropout, by its name as in `rates`."""
        return {name: layer.sparsity() for name, layer in named(self, SparseVariationalDropout).items()}

    def compression(self) -> float:
        """Number of weights of the layers of sparse variational dropout over that of those left; biases do not count.

        Returns:
            At least 1; `inf` if no weight is left.

        Raises:
            ValueError: if no layer has sparse variational dropout.
        """
        counts = [layer.weight_counts() for layer in self._sparse_layers("compression")]
        kept, total = (sum(numbers) for numbers in zip(*counts, strict=True))
        return total / kept if kept else float("inf")

    def prune(self) -> dict[str, float]:
        """Set the pruned weights of sparse variational dropout to exactly 0; predictions stay as they are.

        A preset that is saved afterwards is as small as its weights are few; `bayeskeras.models.export_pruned`
        makes a smaller Keras model of it.

        Returns:
            `sparsity()`.

        Raises:
            ValueError: if no layer has sparse variational dropout.
        """
        for layer in self._sparse_layers("prune"):
            layer.prune()
        return self.sparsity()

    def _sparse_layers(self, method: str) -> list[Any]:
        layers = list(named(self, SparseVariationalDropout).values())
        if not layers:
            raise ValueError(
                f"BayesianModel.{method}: expected a model with SparseVariationalDropout layers, "
                f"received: model {self.name!r} without"
            )
        return layers

    # Saving.

    @classmethod
    def from_preset(cls, preset: str | Path) -> BayesianModel:
        """Load a preset.

        Args:
            preset: name of a built-in preset (see `bayeskeras.zoo.list`) or a folder.

        Returns:
            The model, not compiled.

        Raises:
            ValueError: if there is no such preset, or a file is missing, truncated or edited.
        """
        return preset_folder.load(preset)

    def save_to_preset(self, folder: str | Path, dtype: str = "float32") -> None:
        """Write `config.json` and `model.weights.h5`; a kill at any moment leaves the old preset or the new one.

        Args:
            folder: made if it is not there.
            dtype: `"float32"`; `"float16"` to halve the size; `"int8"` for a quarter of it: large kernels as 8-bit
                integers with a scale for each output, the rest as float16. It loads into the type of the model again.
        """
        preset_folder.save(self, folder, dtype)
