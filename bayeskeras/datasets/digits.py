"""The scanned digits that scikit-learn brings along."""

from __future__ import annotations

import numpy as np

from bayeskeras.datasets.description import Columns
from bayeskeras.datasets.splits import stratified_cut

TEST_EXAMPLES = 500


def load_digits_part(part: str) -> Columns:
    """Returns one part of the 1,797 scans of handwritten digits of scikit-learn.

    The 8x8 images with values from 0 to 16 are scaled to [0, 1] and resized to 28x28 by bilinear
    interpolation (Pillow). 500 of them, drawn stratified by class with seed 0 (scikit-learn's
    `train_test_split`), are the test part, the other 1,297 the training part; both stay in the order of
    scikit-learn.

    Args:
        part: `"train"` or `"test"`.

    Returns:
        `image` float32 (N, 28, 28, 1) in [0, 1] and `label` int64 (N,).
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    scans = load_digits()
    train, test = stratified_cut(scans.target, TEST_EXAMPLES)
    chosen = train if part == "train" else test
    small = (scans.images[chosen] / 16).astype(np.float32)
    images = [np.asarray(Image.fromarray(scan).resize((28, 28), Image.Resampling.BILINEAR)) for scan in small]
    return {
        "image": np.stack(images)[..., None].astype(np.float32),
        "label": scans.target[chosen].astype(np.int64),
    }
