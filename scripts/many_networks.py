"""Training of many small networks at once, for tables over splits of the data and settings of a method.

Not a script itself.

On JAX the train step of Keras (`keras.Model.train_step`, with the layers and the loss of bayeskeras) is mapped over
an axis of networks with `jax.vmap`, and the steps of several epochs run in one compiled call. A network of 50 units
then takes 10 to 100 microseconds a step, many times less than in a `fit` of its own. On other backends the networks
go through `fit`, one after the other.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

import bayeskeras as bk

Array = np.ndarray

#: Epochs of one compiled call on JAX.
EPOCHS_PER_CALL = 20


@dataclass(frozen=True)
class Training:
    """One network to be trained.

    Attributes:
        build: returns a new, compiled model.
        x: inputs `(N, ...)`.
        y: labels `(N, ...)`.
        seed: of initial weights, noise and the order of the examples.
    """

    build: Callable[[], bk.BayesianModel]
    x: Array
    y: Array
    seed: int

    def start(self) -> bk.BayesianModel:
        """The untrained model, N set and the optimizer built."""
        keras.utils.set_random_seed(self.seed)
        model = self.build()
        if model.posterior is not None and model.posterior.kl_warm_up:
            raise ValueError(
                "train_networks: expected a posterior without KL warm-up, "
                f"received: kl_warm_up={model.posterior.kl_warm_up}"
            )
        model.num_train_examples = len(self.x)
        model.optimizer.build(model.trainable_variables)
        return model


def train_networks(
    trainings: Sequence[Training], epochs: int, batch_size: int, label: str = ""
) -> tuple[bk.BayesianModel, list[list[Array]]]:
    """Train networks, each on data of its own, as `fit` would.

    All have the structure of the first. They may differ in what is a variable: weights, `kl_weight`, the stddev of
    `Normal("learned")`, the learning rate; but not in numbers that the compiled step contains, such as a dropout
    rate or the scale of a prior.

    Args:
        trainings: one for each network, with as many examples.
        epochs: of training.
        batch_size: of training; the last batch of an epoch may be smaller.
        label: what is trained, for the progress; none is shown without.

    Returns:
        A model, and for each network its weights, for `set_weights` of the model.

    Raises:
        ValueError: if there is no training, or numbers of examples differ.
    """
    sizes = {len(training.x) for training in trainings} | {len(training.y) for training in trainings}
    if len(sizes) != 1:
        raise ValueError(
            f"train_networks: expected trainings with one number of examples, received: {sorted(sizes)}"
        )
    if label:
        print(f"{label}: {len(trainings)} networks, {epochs} epochs", flush=True)
    mapped = keras.backend.backend() == "jax"
    total = epochs if mapped else len(trainings)
    bar = keras.utils.Progbar(total, verbose=int(bool(label) and sys.stdout.isatty()), unit_name="epoch")
    return (_train_mapped if mapped else _train_in_turn)(trainings, epochs, batch_size, bar)


def _train_in_turn(
    trainings: Sequence[Training], epochs: int, batch_size: int, bar: keras.utils.Progbar
) -> tuple[bk.BayesianModel, list[list[Array]]]:
    """One `fit` after the other, of the first model with the variables of each: it is compiled once."""
    model = trainings[0].start()
    trained = []
    for training in trainings:
        for variable, start in zip(_variables(model), _variables(training.start()), strict=True):
            variable.assign(start.value)
        model.fit(training.x, training.y, epochs=epochs, batch_size=batch_size, verbose=0)
        trained.append(model.get_weights())
        bar.add(1)
    return model, trained


def _variables(model: bk.BayesianModel) -> list[keras.Variable]:
    """All that a training starts from."""
    return [*model.variables, *model.optimizer.variables]


def _train_mapped(
    trainings: Sequence[Training], epochs: int, batch_size: int, bar: keras.utils.Progbar
) -> tuple[bk.BayesianModel, list[list[Array]]]:
    """All at once, with JAX."""
    import jax

    model = trainings[0].start()
    states = [_state(training.start()) for training in trainings]
    state = jax.tree.map(lambda *values: np.stack(values), *states)
    x, y = (np.stack([getattr(training, name) for training in trainings]) for name in ("x", "y"))
    x, y = jax.device_put(x.astype(np.float32)), jax.device_put(y.astype(np.float32))
    run = jax.jit(_epochs(model.train_step, batch_size), donate_argnums=0)
    for order in orders([training.seed for training in trainings], epochs, x.shape[1]):
        state = jax.block_until_ready(run(state, x, y, order))
        bar.add(len(order))
    trainable, others, *_ = jax.tree.map(np.asarray, state)
    values = dict(zip(map(id, model.trainable_variables), trainable, strict=True))
    values |= dict(zip(map(id, model.non_trainable_variables), others, strict=True))
    return model, [[values[id(weight)][k] for weight in model.weights] for k in range(len(trainings))]


def _state(model: bk.BayesianModel) -> Any:
    """The state that `train_step` of Keras takes and returns on JAX."""
    parts = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    return tuple([ops.convert_to_numpy(variable.value) for variable in part] for part in parts)


def orders(seeds: Sequence[int], epochs: int, num_examples: int) -> Iterator[Array]:
    """The orders of the examples, some epochs at a time: `(epochs, K, N)`.

    Args:
        seeds: K numbers; the orders of a network follow from its own.
        epochs: in all.
        num_examples: N.
    """
    generators = [np.random.default_rng(seed) for seed in seeds]
    for start in range(0, epochs, EPOCHS_PER_CALL):
        size = (min(EPOCHS_PER_CALL, epochs - start), num_examples)
        examples = np.broadcast_to(np.arange(num_examples, dtype=np.int32), size)
        yield np.stack([generator.permuted(examples, axis=1) for generator in generators], axis=1)


def _epochs(train_step: Callable[..., Any], batch_size: int) -> Callable[..., Any]:
    """A function that trains all networks: `(state, x, y, orders of the examples) -> state`."""
    import jax
    import jax.numpy as jnp

    mapped = jax.vmap(train_step)

    def step(state: Any, batch: Any) -> tuple[Any, None]:
        return mapped(state, batch)[1], None

    def epoch(state: Any, order: Any, data: Any) -> Any:
        shuffled = [jax.vmap(lambda examples, rows: examples[rows])(array, order) for array in data]
        count = order.shape[1] // batch_size
        end = count * batch_size
        if count:
            batches = [jnp.stack(jnp.split(array[:, :end], count, axis=1)) for array in shuffled]
            state, _ = jax.lax.scan(step, state, tuple(batches))
        if end < order.shape[1]:
            state, _ = step(state, tuple(array[:, end:] for array in shuffled))
        return state

    def run(state: Any, x: Any, y: Any, order: Any) -> Any:
        return jax.lax.scan(lambda state, one: (epoch(state, one, (x, y)), None), state, order)[0]

    return run
