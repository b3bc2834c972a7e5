"""Draws of a VAE: seeds, batch sizes, permutations, files, bad input."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from bayeskeras import BayesianModel, generative, layers, likelihoods
from bayeskeras.generative import VAE

ROOT = Path(__file__).parents[2]


def small(**arguments: Any) -> VAE:
    """A VAE of 6 x 6 images with weights that are not those of the start."""
    defaults: dict[str, Any] = {"input_shape": (6, 6, 1), "latent_dim": 3}
    vae = VAE(**{**defaults, **arguments})
    generator = np.random.default_rng(3)
    amount = 0.05 if arguments.get("encoder") == "convolutional" else 0.3  # Else logits are in the hundreds.
    vae.set_weights([w + amount * generator.normal(size=w.shape) for w in vae.get_weights()])
    return vae


def images(count: int = 10, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 6, 6, 1)).astype("float32")


@pytest.mark.parametrize("architecture", ["mlp", "convolutional"])
@pytest.mark.parametrize("binarize", [False, True])
def test_results_do_not_depend_on_the_batch_size(architecture: str, binarize: bool) -> None:
    vae = small(encoder=architecture, decoder=architecture, binarize=binarize)
    x = images()
    for method in (vae.log_likelihood, vae.elbo, vae.anomaly_score):
        whole = method(x, num_samples=7, seed=1)
        np.testing.assert_allclose(
            method(x, num_samples=7, seed=1, batch_size=3), whole, rtol=1e-4, atol=1e-4
        )
        assert not np.allclose(method(x, num_samples=7, seed=2), whole)
    whole = vae.predict_distribution(x, num_samples=5, seed=1).samples
    parts = vae.predict_distribution(x, num_samples=5, seed=1, batch_size=4).samples
    np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_the_distribution_of_an_example_does_not_depend_on_the_others() -> None:
    vae, x = small(), images()
    order = np.random.default_rng(0).permutation(len(x))
    whole = vae.predict_distribution(x, num_samples=5, seed=1)
    assert whole.samples.shape == (5, 10, 6, 6, 1)
    permuted = vae.predict_distribution(x[order], num_samples=5, seed=1)
    np.testing.assert_allclose(permuted.samples, whole.samples[:, order], atol=1e-5)
    moments = vae.predict_distribution(x, num_samples=5, seed=1, keep_samples=False)
    np.testing.assert_allclose(moments.mean(), whole.mean(), atol=1e-6)
    np.testing.assert_allclose(moments.variance(), whole.variance(), atol=1e-6)


def test_reconstructions_are_those_of_latent_draws() -> None:
    """The epistemic part is the variance of the decoded mean over z ~ q(z | x)."""
    vae, x = small(), images(2)
    mean, stddev = vae.encode(x)
    distribution = vae.predict_distribution(x, num_samples=4000, seed=0)
    z = mean[:, None] + stddev[:, None] * np.random.default_rng(5).normal(size=(2, 4000, 3))
    decoded = vae.decode(z.reshape(-1, 3)).reshape(2, 4000, 6, 6, 1)
    np.testing.assert_allclose(distribution.mean(), decoded.mean(axis=1), atol=0.04)
    np.testing.assert_allclose(distribution.epistemic(), decoded.var(axis=1), atol=0.03)


def test_predict_is_the_decoder_at_the_posterior_mean() -> None:
    vae, x = small(), images()
    mean, _ = vae.encode(x)
    expected = keras.ops.convert_to_numpy(vae.decoder(mean))
    np.testing.assert_allclose(vae.predict(x), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(vae(x)), expected, rtol=1e-5, atol=1e-5)


def test_generate_repeats_with_its_seed() -> None:
    vae = small()
    np.testing.assert_array_equal(vae.generate(4, seed=7), vae.generate(4, seed=7))
    assert not np.allclose(vae.generate(4, seed=7), vae.generate(4, seed=8))
    drawn = vae.generate(4, seed=7, draw=True)
    assert drawn.shape == (4, 6, 6, 1) and set(np.unique(drawn)) <= {0.0, 1.0}
    np.testing.assert_allclose(vae.generate(2, seed=7), vae.decode(vae.prior_sample(2, seed=7)), rtol=1e-5)


def test_interpolations_end_at_the_reconstructions() -> None:
    vae = small()
    a, b = images(3), images(3, seed=1)
    path = vae.interpolate(a, b, steps=5)
    assert path.shape == (3, 5, 6, 6, 1)
    np.testing.assert_allclose(path[:, 0], vae.decode(vae.encode(a)[0]), rtol=1e-4)
    np.testing.assert_allclose(path[:, -1], vae.decode(vae.encode(b)[0]), rtol=1e-4)


def test_the_scores_of_anomalies_add_up() -> None:
    vae, x = small(), images()
    elbo, reconstruction, latent = (
        vae.anomaly_score(x, kind, seed=2) for kind in ("elbo", "reconstruction", "latent")
    )
    np.testing.assert_allclose(elbo, reconstruction + latent, rtol=1e-6)
    np.testing.assert_allclose(elbo, -vae.elbo(x, num_samples=10, seed=2), rtol=1e-6)


def test_strange_data_have_higher_scores_after_training() -> None:
    generator = np.random.default_rng(0)
    stripes = np.zeros((300, 6, 6, 1), "float32")
    stripes[np.arange(300), generator.integers(0, 6, 300)] = 1.0
    vae = VAE(input_shape=(6, 6, 1), latent_dim=3)
    vae.compile(keras.optimizers.Adam(1e-2))
    vae.fit(stripes, epochs=30, batch_size=100, verbose=0)
    strange = (generator.random((100, 6, 6, 1)) < 1 / 6).astype("float32")
    known, unknown = vae.anomaly_score(stripes[:100]), vae.anomaly_score(strange)
    assert np.mean(known[:, None] < unknown[None]) > 0.95


def test_data_come_as_arrays_tensors_datasets_and_uint8() -> None:
    vae = small()
    x = images(12)
    levels = np.round(x * 255).astype("uint8")
    scaled = levels / np.float32(255)
    np.testing.assert_allclose(vae.elbo(levels, seed=0), vae.elbo(scaled, seed=0), rtol=1e-5)
    np.testing.assert_allclose(
        vae.encode(keras.ops.convert_to_tensor(x))[0], vae.encode(x)[0], rtol=1e-5, atol=1e-6
    )

    class Batches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> Any:
            return x[4 * index : 4 * index + 4], np.zeros(4)

    np.testing.assert_allclose(vae.elbo(Batches(), seed=0), vae.elbo(x, seed=0), rtol=1e-4, atol=1e-4)
    vae.compile("adam")
    from_batches = vae.fit(Batches(), epochs=2, verbose=0, validation_data=x).history
    assert np.isfinite(from_batches["val_loss"]).all() and len(from_batches["loss"]) == 2
    assert np.isfinite(vae.fit(levels, epochs=1, verbose=0).history["loss"]).all()
    assert np.isfinite(vae.fit(x, x, epochs=1, verbose=0).history["loss"]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda x: x * 255.0,
            r"expected data of shape .* support of the likelihood Bernoulli.*from 0.* to 2",
        ),
        (lambda x: x - 1.0, "support of the likelihood Bernoulli"),
        (lambda x: x.reshape(10, 36), r"expected data of shape \(N, 6, 6, 1\)"),
        (lambda x: np.where(x > 0.5, np.nan, x), "NaN or infinite"),
        (lambda x: x[:0], "received: x.shape"),
    ],
)
def test_data_outside_the_support_are_refused(change: Any, message: str) -> None:
    vae = small()
    vae.compile("adam")
    for method in (vae.fit, vae.elbo, vae.encode, vae.predict_distribution):
        with pytest.raises(ValueError, match=message):
            method(change(images()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"latent_dim": 0}, "latent_dim"),
        ({"num_samples": 0}, "num_samples"),
        ({"beta": -1.0}, "beta"),
        ({"prior": "gamma"}, "expected a prior"),
        ({"objective": "gan"}, "expected a objective|expected an objective"),
        ({"objective": "iwae", "free_bits": 0.1}, "free_bits"),
        ({"likelihood": "normal", "binarize": True}, "binarize"),
        ({"input_shape": None}, "input_shape"),
        ({"encoder": "transformer"}, "transformer"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VAE(**{"input_shape": (6, 6, 1), "latent_dim": 3, **arguments})


def test_networks_that_do_not_fit_are_refused() -> None:
    encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    with pytest.raises(ValueError, match=r"first input \(batch, 3\)"):
        VAE(encoder, decoder, 3)
    with pytest.raises(ValueError, match="expected a Keras model with inputs"):
        VAE(keras.Sequential([keras.layers.Dense(4)]), decoder, 2)
    with pytest.raises(ValueError, match=r"\(5,\).*\(4,\)|\(4,\).*\(5,\)"):
        VAE(keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)]), decoder, 2)
    uncertain = keras.Sequential([keras.Input((2,)), layers.MeanField(keras.layers.Dense(4))])
    with pytest.raises(ValueError, match="weights are points"):
        VAE(encoder, uncertain, 2)
    vae = VAE(encoder, decoder, 2)
    with pytest.raises(ValueError, match="no loss"):
        vae.compile("adam", loss="mse")


def test_a_final_sigmoid_is_left_out() -> None:
    encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, activation="relu")])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4, activation="sigmoid")])
    with pytest.warns(UserWarning, match="final sigmoid is left out"):
        vae = VAE(encoder, decoder, 2)
    z = np.random.default_rng(0).normal(size=(5, 2)).astype("float32")
    np.testing.assert_allclose(vae.decode(z), keras.ops.convert_to_numpy(decoder(z)), rtol=1e-5)
    assert vae.encoder.output_shape == (None, 4)  # Features get a layer of means and log variances.


def test_two_outputs_of_an_encoder_are_means_and_log_variances() -> None:
    inputs = keras.Input((4,))
    mean, log_variance = keras.layers.Dense(2)(inputs), keras.layers.Dense(2)(inputs)
    encoder = keras.Model(inputs, [mean, log_variance])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    vae = VAE(encoder, decoder, 2)
    x = np.random.default_rng(0).random((5, 4)).astype("float32")
    expected = [keras.ops.convert_to_numpy(part) for part in encoder(x)]
    found = vae.encode(x)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1], np.exp(0.5 * expected[1]), rtol=1e-5, atol=1e-6)


def test_classes_and_grey_levels_are_data_too() -> None:
    generator = np.random.default_rng(0)
    words = generator.integers(0, 4, (50, 6))
    encoder = keras.Sequential([keras.Input((6, 4)), keras.layers.Flatten(), keras.layers.Dense(8)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(24), keras.layers.Reshape((6, 4))])
    vae = VAE(encoder, decoder, 2, "categorical")
    vae.compile("adam")
    assert np.isfinite(vae.fit(words, epochs=1, verbose=0).history["loss"]).all()
    assert vae.generate(3, seed=0, draw=True).shape == (3, 6)
    assert np.isfinite(vae.log_likelihood(words[:5], num_samples=5, seed=0)).all()
    for scale in ("learned_shared", "learned_each", "predicted", 0.1):
        grey = VAE(input_shape=(6, 6, 1), latent_dim=2, likelihood=likelihoods.DiscretizedLogistic(scale))
        grey.compile("adam")
        assert np.isfinite(grey.fit(images(), epochs=1, verbose=0).history["loss"]).all()
        assert grey.predict_distribution(images(), num_samples=2, seed=0).variance().shape == (10, 6, 6, 1)


PRIORS: dict[str, Any] = {
    "standard": lambda: "standard",
    "mixture": lambda: generative.MixturePrior(4),
    "vamp": lambda: generative.VampPrior(4),
}


@pytest.mark.parametrize("prior", list(PRIORS))
def test_presets_are_the_same_in_a_fresh_process(prior: str, tmp_path: Path) -> None:
    """The whole model, and encoder and decoder alone, which are plain Keras."""
    vae = small(prior=PRIORS[prior](), likelihood=likelihoods.Normal("learned_each"), objective="mmd")
    x = images()
    vae.save_to_preset(tmp_path / "preset")
    vae.encoder.save(tmp_path / "encoder.keras")
    vae.decoder.save(tmp_path / "decoder.keras")
    np.save(tmp_path / "x.npy", x)
    program = f"""
import keras, numpy as np
x = np.load({str(tmp_path / "x.npy")!r})
encoder = keras.saving.load_model({str(tmp_path / "encoder.keras")!r})
decoder = keras.saving.load_model({str(tmp_path / "decoder.keras")!r})
outputs = encoder.predict(x, verbose=0)
decoded = decoder.predict(outputs[:, :3], verbose=0)
import bayeskeras as bk
vae = bk.generative.VAE.from_preset({str(tmp_path / "preset")!r})
np.savez({str(tmp_path / "found.npz")!r}, outputs=outputs, decoded=decoded, generated=vae.generate(3, seed=1),
    nll=vae.log_likelihood(x, num_samples=5, seed=1), draws=vae.predict_distribution(x, 3, seed=1).samples)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": keras.backend.backend()}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    found = np.load(tmp_path / "found.npz")
    np.testing.assert_allclose(found["outputs"][:, :3], vae.encode(x)[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["decoded"], vae.predict(x), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found["generated"], vae.generate(3, seed=1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["nll"], vae.log_likelihood(x, num_samples=5, seed=1), rtol=1e-5)
    np.testing.assert_allclose(
        found["draws"], vae.predict_distribution(x, 3, seed=1).samples, rtol=1e-5, atol=1e-6
    )
    assert isinstance(BayesianModel.from_preset(tmp_path / "preset"), VAE)


def test_keras_files_go_on_training(tmp_path: Path) -> None:
    vae = small(kl_warm_up=0.5, beta=0.5)
    vae.compile("adam")
    vae.fit(images(), epochs=1, verbose=0)
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    np.testing.assert_allclose(loaded.predict(images()), vae.predict(images()), rtol=1e-5)
    assert loaded.beta == 0.5 and loaded.kl_warm_up == 0.5
    assert np.isfinite(loaded.fit(images(), epochs=1, verbose=0).history["loss"]).all()
