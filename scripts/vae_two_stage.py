"""Two-stage VAE: "x -> z -> x, z -> u -> z" draws better images than one stage.

    python scripts/vae_two_stage.py [--quick] [--data mnist fashion_mnist]

Lecture 001; Dai and Wipf (2019), "Diagnosing and enhancing VAE models". A VAE of dense layers (512 units; theirs is
convolutional, which takes some minutes an epoch on one core) with 32 latent variables and one learned standard
deviation of its pixels; as that falls, the latent vectors of data leave the prior, and a second VAE (dense layers of
512 units too) learns where they are. The score is the Frechet distance between Gaussian fits of features of 10,000
drawn and all test images, `|m_1 - m_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2))`, with the 500 features before the
logits of the preset `lenet_map_mnist` (or `lenet_map_fashion_mnist`) in place of those of an Inception network: the
published figures are on another scale and are shown for their order only. `training images` is the distance of as
many training images, the best that there is.
"""

from __future__ import annotations

import lecture  # Before Keras: it sets the level of TensorFlow's log.

# isort: split

import argparse
from typing import Any

import keras
import numpy as np
from scipy import linalg

import bayeskeras as bk
from bayeskeras.plotting.images import picture_rows
from bayeskeras.plotting.style import look, new_figure

#: FID of the two-stage VAE (Inception features).
PUBLISHED = {"mnist": 12.6, "fashion_mnist": 29.3, "digits": None}


def features(data: str) -> keras.Model:
    """The network of features: a preset up to the layer before its logits."""
    model: Any = bk.zoo.load(f"lenet_map_{data}")
    return keras.Model(model.inputs, model.get_layer("dense").output)


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """The distance between Gaussian fits of two sets of features."""
    first, second = first.astype(np.float64), second.astype(np.float64)
    shift = first.mean(axis=0) - second.mean(axis=0)
    one, other = np.cov(first.T), np.cov(second.T)
    # tr (S_1 S_2)^(1/2) from the eigenvalues of the symmetric product, none of which is negative.
    root = linalg.sqrtm(one + 1e-10 * np.eye(len(one))).real
    values = linalg.eigvalsh(root @ other @ root)
    return float(
        shift @ shift + np.trace(one) + np.trace(other) - 2.0 * np.sqrt(np.maximum(values, 0.0)).sum()
    )


def first_stage(data: str, shape: tuple[int, ...], quick: bool) -> Any:
    """The untrained VAE of images."""
    latent_dim, units = (8, (64, 64)) if quick else (32, (512, 512))
    networks = bk.generative
    return networks.VAE(
        networks.mlp_encoder(shape, latent_dim, units, "relu"),
        networks.mlp_decoder(latent_dim, shape, units, "relu"),
        latent_dim,
        bk.likelihoods.Normal(stddev="learned_shared", initial_stddev=0.3),
        name=f"first_{data}",
    )


def train(data: str, x: np.ndarray, epochs: tuple[int, int], options: argparse.Namespace) -> Any:
    """The trained two-stage model."""
    keras.utils.set_random_seed(options.seed)
    model = bk.generative.TwoStageVAE(first_stage(data, x.shape[1:], options.quick))
    place = options.work / "vae_two_stage" / f"{data}-{'quick' if options.quick else 'full'}"
    common: dict[str, Any] = {"seed": options.seed, "every": 5, "batch_size": 128}
    for stage, network, count in (("first", model.first, epochs[0]), ("second", model.second, epochs[1])):
        given = x
        if stage == "second":
            mean, stddev = model.first.encode(x)
            noise = np.random.default_rng(options.seed).normal(size=(5, *mean.shape))
            given = (mean + stddev * noise).reshape(-1, mean.shape[1]).astype(np.float32)
        steps = -(-len(given) // 128) * count
        network.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, steps)))
        fingerprint = f"two dense stages {data} {stage} {epochs} {len(x)} {options.seed}"
        lecture.train(network, place / stage, fingerprint, count, x=given, **common)
    return model


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", nargs="+", default=["mnist", "fashion_mnist"])
    parser.add_argument("--epochs", type=int, default=40, help="of the first stage")
    parser.add_argument(
        "--second-epochs", type=int, default=20, help="of the second one, with five draws of each z"
    )
    parser.add_argument("--count", type=int, default=10_000, help="images that are drawn")
    options = lecture.arguments(__doc__, parser)
    names, epochs, count = options.data, (options.epochs, options.second_epochs), options.count
    if options.quick:
        names, epochs, count = ["digits"], (15, 8), 500
    rows: list[Any] = []
    pictures: list[Any] = []
    goals = {}
    for data in names:
        x, _ = bk.datasets.load(data, "train")
        x_test, _ = bk.datasets.load(data, "test")
        model = train(data, x, epochs, options)
        network = features(data)
        reference = network.predict(x_test, verbose=0)
        drawn = {
            "one stage": model.first.generate(count, seed=options.seed),
            "two stages": model.generate(count, seed=options.seed),
        }
        some = np.random.default_rng(options.seed).permutation(len(x))[:count]
        distances = {
            name: frechet_distance(network.predict(np.clip(images, 0.0, 1.0), verbose=0), reference)
            for name, images in {**drawn, "training images": x[some]}.items()
        }
        scale = keras.ops.convert_to_numpy(model.first.likelihood.parameters(x[:1])["scale"])
        stddev = float(scale.reshape(-1)[0])
        rows.append([data, *distances.values(), stddev, PUBLISHED.get(data)])
        goals[f"{data}: two stages below one stage"] = distances["two stages"] < distances["one stage"]
        pictures += [
            (f"{data}, {name}", np.clip(images[:12, ..., 0], 0, 1), {}) for name, images in drawn.items()
        ]
    lecture.print_table(
        "Frechet distance of LeNet features between drawn images and the test set (less is better)",
        [
            "data",
            "one stage",
            "two stages",
            "training images",
            "stddev of pixels",
            "published FID, two stages",
        ],
        rows,
    )
    if not options.quick:
        lecture.print_goals(goals)
    with look():
        canvas = new_figure(13.0, 1.0 * len(pictures) + 0.2)
        picture_rows(canvas, pictures)
    lecture.write_results("vae_two_stage", {"rows": rows, "count": count}, canvas, options.quick)


if __name__ == "__main__":
    main()
