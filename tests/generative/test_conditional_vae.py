"""Conditional and semi-conditional VAE: what their networks see, exact likelihoods, files, bad input."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from scipy import stats

from bayeskeras import BayesianModel, generative, likelihoods
from bayeskeras.generative import ConditionalVAE, Labels, PartialImage, SemiConditionalVAE, Sensors


def perturbed(model: Any) -> Any:
    """The model with weights that are not those of the start."""
    generator = np.random.default_rng(3)
    model.set_weights([w + 0.3 * generator.normal(size=w.shape) for w in model.get_weights()])
    return model


def by_labels(**arguments: Any) -> ConditionalVAE:
    return perturbed(
        ConditionalVAE(**{"input_shape": (4, 4, 1), "latent_dim": 2, "condition": Labels(3), **arguments})
    )


def images(count: int = 9, shape: tuple[int, ...] = (4, 4, 1)) -> np.ndarray:
    return np.random.default_rng(0).random((count, *shape)).astype("float32")


LABELS = np.arange(9) % 3


def known_conditional() -> tuple[ConditionalVAE, np.ndarray, np.ndarray, np.ndarray]:
    """`x = z + c + noise`, `z ~ N(c, 1)`: so `x | c ~ N(2 c, 1 + 0.25)` and `z | x, c` is known."""
    data, condition = keras.Input((1,), name="data"), keras.Input((1,), name="given")
    both = keras.layers.Concatenate()([data, condition])
    encoder = keras.Model([data, condition], keras.layers.Dense(2)(both))
    latent, given = keras.Input((1,), name="latent"), keras.Input((1,), name="given")
    decoder = keras.Model([latent, given], keras.layers.Dense(1)(keras.layers.Concatenate()([latent, given])))
    seen = keras.Input((1,), name="seen")
    prior = keras.Model(seen, keras.layers.Dense(2)(seen))
    model = ConditionalVAE(encoder, decoder, 1, likelihoods.Normal(0.5), prior)
    prior.set_weights([np.array([[1.0, 0.0]]), np.zeros(2)])
    decoder.set_weights([np.ones((2, 1)), np.zeros(1)])
    # Precision 1 + 4; mean (c + 4 (x - c)) / 5.
    encoder.set_weights([np.array([[0.8, 0.0], [-0.6, 0.0]]), np.array([0.0, np.log(0.2)])])
    generator = np.random.default_rng(0)
    c = generator.normal(size=(30, 1)).astype("float32")
    x = (2.0 * c + np.sqrt(1.25) * generator.normal(size=(30, 1))).astype("float32")
    return model, x, c, stats.norm(2.0 * c, np.sqrt(1.25)).logpdf(x)[:, 0]


def test_both_estimates_are_the_exact_likelihood() -> None:
    model, x, c, exact = known_conditional()
    # The posterior is exact, so that one sample of it is enough.
    np.testing.assert_allclose(model.log_likelihood(x, c, num_samples=1, seed=0), exact, atol=1e-4)
    monte_carlo = model.log_likelihood(x, c, num_samples=20_000, method="monte_carlo", seed=0)
    np.testing.assert_allclose(monte_carlo, exact, atol=0.1)
    np.testing.assert_allclose(model.elbo(x, c, num_samples=5000, seed=0), exact, atol=0.12)
    few = model.log_likelihood(x, c, num_samples=3, method="monte_carlo", seed=0)
    assert few.mean() < monte_carlo.mean()


def test_the_distribution_given_a_condition_has_its_mean_and_variance() -> None:
    model, _, c, _ = known_conditional()
    distribution = model.predict_distribution(c, num_samples=4000, seed=0)
    np.testing.assert_allclose(distribution.mean(), 2.0 * c, atol=0.06)
    np.testing.assert_allclose(distribution.variance(), np.full((30, 1), 1.25), atol=0.1)
    np.testing.assert_allclose(model.predict(c), 2.0 * c, atol=1e-5)


def test_training_on_labels_separates_classes() -> None:
    """Each class has a picture of its own: given the label, the model draws it."""
    pictures = np.zeros((3, 4, 4, 1), "float32")
    for label in range(3):
        pictures[label, label] = 1.0
    labels = np.tile(np.arange(3), 100)
    noise = np.random.default_rng(0).random((300, 4, 4, 1)) < 0.05
    x = np.abs(pictures[labels] - noise).astype("float32")
    model = ConditionalVAE(input_shape=(4, 4, 1), latent_dim=2, condition=Labels(3))
    model.compile(keras.optimizers.Adam(1e-2))
    history = model.fit(x, labels, epochs=25, batch_size=100, verbose=0, validation_data=(x, labels)).history
    assert history["val_loss"][-1] < history["val_loss"][0]
    np.testing.assert_allclose(model.generate([2, 0], seed=0), pictures[[2, 0]], atol=0.3)
    right = model.log_likelihood(x[:30], labels[:30], num_samples=20, seed=0)
    wrong = model.log_likelihood(x[:30], (labels[:30] + 1) % 3, num_samples=20, seed=0)
    assert (right > wrong + 5.0).all()


@pytest.mark.parametrize("architecture", ["mlp", "convolutional"])
def test_predictions_do_not_depend_on_batches_or_order(architecture: str) -> None:
    model = by_labels(encoder=architecture, decoder=architecture)
    whole = model.predict_distribution(LABELS, num_samples=4, seed=1)
    parts = model.predict_distribution(LABELS, num_samples=4, seed=1, batch_size=2)
    np.testing.assert_allclose(parts.samples, whole.samples, atol=1e-5)
    permuted = model.predict_distribution(LABELS[::-1], num_samples=4, seed=1)
    np.testing.assert_allclose(permuted.samples, whole.samples[:, ::-1], atol=1e-5)
    x = images()
    for method in ("importance", "monte_carlo"):
        all_at_once = model.log_likelihood(x, LABELS, 6, method, seed=0)
        in_parts = model.log_likelihood(x, LABELS, 6, method, seed=0, batch_size=2)
        np.testing.assert_allclose(in_parts, all_at_once, rtol=1e-4)
    one_hot = model.elbo(x, np.eye(3)[LABELS], seed=0)
    np.testing.assert_allclose(one_hot, model.elbo(x, LABELS, seed=0), rtol=1e-5)


def quadrant_model(count: int = 1, **arguments: Any) -> ConditionalVAE:
    condition = PartialImage.quadrants(count, (4, 4, 1))
    return perturbed(
        ConditionalVAE(**{"input_shape": (4, 4, 1), "latent_dim": 2, "condition": condition, **arguments})
    )


@pytest.mark.parametrize(("count", "known"), [(1, 4), (2, 8), (3, 12)])
def test_quadrants_are_known_and_the_rest_is_predicted(count: int, known: int) -> None:
    model = quadrant_model(count)
    mask = model.condition.known
    assert mask.sum() == known and mask[3, 0, 0] and not mask[3, 3, 0]
    x = images()
    distribution = model.predict_distribution(x, num_samples=3, seed=0)
    np.testing.assert_allclose(distribution.mean()[:, mask], x[:, mask], atol=1e-5)
    # What is unknown is not read: other pixels there give the same distribution.
    other = np.where(mask, x, 1.0 - x)
    np.testing.assert_allclose(
        model.predict_distribution(other, num_samples=3, seed=0).samples, distribution.samples, atol=1e-6
    )
    hidden = np.where(mask, x, np.nan)
    np.testing.assert_allclose(
        model.predict_distribution(hidden, num_samples=3, seed=0).samples, distribution.samples, atol=1e-6
    )


def test_known_pixels_are_filled_in_whatever_the_likelihood() -> None:
    for likelihood in ("normal", likelihoods.DiscretizedLogistic()):
        model = quadrant_model(likelihood=likelihood)
        x = images()
        known = model.condition.known
        for draw in (False, True):
            np.testing.assert_allclose(model.generate(x, 0, draw)[:, known], x[:, known], atol=1e-6)


def test_only_unknown_pixels_count_in_the_likelihood() -> None:
    model = quadrant_model(3)
    x = images(4)
    reconstruction = -model.elbo(x, num_samples=1, seed=0)
    mean, stddev = model.encode(x)
    noise = np.stack(
        [np.random.default_rng([0, 0, index]).standard_normal(2, dtype=np.float32) for index in range(4)]
    )
    z = mean + stddev * noise
    condition = model.condition.array(x, None)
    logits = keras.ops.convert_to_numpy(model.decoder([z, condition]))
    nll = np.logaddexp(0.0, logits) - x * logits
    parameters = keras.ops.convert_to_numpy(model.prior.network(condition))
    prior_mean, prior_log_variance = np.split(parameters, 2, axis=1)
    ratio = stddev**2 / np.exp(prior_log_variance)
    divergence = 0.5 * (ratio - 1 - np.log(ratio) + (mean - prior_mean) ** 2 / np.exp(prior_log_variance))
    expected = nll[:, ~model.condition.known].sum(axis=1) + divergence.sum(axis=1)
    np.testing.assert_allclose(reconstruction, expected, rtol=1e-4)


def semi(**arguments: Any) -> SemiConditionalVAE:
    defaults: dict[str, Any] = {"sensors": [(0, 1), (5, 6)], "input_shape": (6, 8, 2), "latent_dim": 3}
    return perturbed(SemiConditionalVAE(**{**defaults, **arguments}))


@pytest.mark.parametrize("architecture", ["mlp", "convolutional"])
def test_fields_are_predicted_from_measurements_alone(architecture: str) -> None:
    model = semi(encoder=architecture, decoder=architecture)
    fields = np.random.default_rng(0).normal(size=(7, 6, 8, 2)).astype("float32")
    measurements = fields[:, [0, 5], [1, 6]]
    assert measurements.shape == (7, 2, 2)
    distribution = model.predict_distribution(measurements, num_samples=5, seed=0)
    assert distribution.shape == (7, 6, 8, 2)
    flat = model.predict_distribution(measurements.reshape(7, 4), num_samples=5, seed=0)
    np.testing.assert_allclose(flat.mean(), distribution.mean(), atol=1e-6)
    assert len(model.encoder.inputs) == 1 and len(model.decoder.inputs) == 2
    # The model reads the measurements of known fields itself.
    np.testing.assert_allclose(
        model.elbo(fields, seed=0), model.elbo(fields, measurements, seed=0), rtol=1e-5
    )


def test_training_reconstructs_fields_of_two_modes() -> None:
    """Fields are sums of two waves: two sensors say how much of each there is."""
    generator = np.random.default_rng(0)
    waves = np.stack([np.sin(np.linspace(0, 6, 48)), np.cos(np.linspace(0, 9, 48))]).reshape(2, 6, 8, 1)
    amounts = generator.normal(size=(400, 2))
    fields = np.tensordot(amounts, waves, 1).astype("float32")
    model = SemiConditionalVAE(
        sensors=[(0, 3), (4, 2)],
        input_shape=(6, 8, 1),
        latent_dim=2,
        likelihood=likelihoods.Normal("learned_shared"),
    )
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(fields[:300], epochs=40, batch_size=100, verbose=0)
    found = model.predict_distribution(
        model.condition.array(fields[300:], None), num_samples=20, seed=0
    ).mean()
    error = np.linalg.norm(found - fields[300:]) / np.linalg.norm(fields[300:])
    assert error < 0.25


MODELS: dict[str, Any] = {
    "labels": by_labels,
    "quadrants": lambda: quadrant_model(2),
    "sensors": semi,
    "array": lambda: perturbed(
        ConditionalVAE(input_shape=(4, 4, 1), latent_dim=2, condition=(5,), prior="standard")
    ),
}


@pytest.mark.parametrize("kind", list(MODELS))
def test_presets_come_back(kind: str, tmp_path: Path) -> None:
    model = MODELS[kind]()
    model.save_to_preset(tmp_path / "preset")
    loaded: Any = BayesianModel.from_preset(tmp_path / "preset")
    assert type(loaded) is type(model)
    generator = np.random.default_rng(0)
    condition = {
        "labels": LABELS,
        "quadrants": images(),
        "sensors": generator.normal(size=(4, 2, 2)),
        "array": generator.normal(size=(4, 5)),
    }[kind]
    expected = model.predict_distribution(condition, num_samples=2, seed=0)
    found = loaded.predict_distribution(condition, num_samples=2, seed=0)
    np.testing.assert_allclose(found.mean(), expected.mean(), atol=1e-6)
    np.testing.assert_allclose(
        loaded.generate(condition, seed=0), model.generate(condition, seed=0), atol=1e-6
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.elbo(images(), None), "condition"),
        (lambda m: m.elbo(images(), LABELS[:4]), r"\(9, 3\)"),
        (lambda m: m.elbo(images(), LABELS + 1), "from 0 to 2"),
        (lambda m: m.predict_distribution(np.full(3, 0.5)), "integers"),
        (lambda m: m.fit(images() * 2.0, LABELS), "support of the likelihood"),
        (lambda m: m.log_likelihood(images(), LABELS, method="exact"), "exact"),
        (lambda m: m.decode(np.zeros((2, 5)), [0, 1]), r"\(N, 2\)"),
    ],
)
def test_wrong_conditions_are_refused(call: Any, message: str) -> None:
    model = by_labels()
    model.compile("adam")
    with pytest.raises(ValueError, match=message):
        call(model)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Labels(1), "num_classes"),
        (lambda: PartialImage(np.ones((2, 2, 1))), "unknown"),
        (lambda: PartialImage.quadrants(4), "1, 2 or 3"),
        (lambda: Sensors([[0.5, 1.0]]), "integers"),
        (lambda: semi(sensors=[(6, 0)]), "inside a field of 6 x 8"),
        (lambda: ConditionalVAE(input_shape=(4, 4, 1), latent_dim=2), "expected condition"),
        (lambda: generative.VAE(by_labels().encoder, by_labels().decoder, 2), "one input"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_scores_of_anomalies_are_the_terms_of_the_bound() -> None:
    model = ConditionalVAE(input_shape=(4, 4, 1), latent_dim=2, condition=Labels(3))
    x, labels = np.random.default_rng(0).random((5, 4, 4, 1)).astype("float32"), np.array([0, 1, 2, 0, 1])
    total, *terms = (
        model.anomaly_score(x, labels, kind, num_samples=3, seed=1)
        for kind in ("elbo", "reconstruction", "latent")
    )
    np.testing.assert_allclose(total, sum(terms), rtol=1e-6)
    np.testing.assert_allclose(total, -model.elbo(x, labels, num_samples=3, seed=1), rtol=1e-6)
    mean, _ = model.encode(x, labels)
    assert model.active_units(x, labels, threshold=0.0) == (mean.var(axis=0) > 0.0).sum()
    with pytest.raises(ValueError, match="expected kind of"):
        model.anomaly_score(x, labels, kind="kl")
