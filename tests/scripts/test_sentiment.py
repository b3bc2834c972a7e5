"""The reviews that the sentiment script shows."""

import numpy as np
import sentiment as script

from bayeskeras.likelihoods import Categorical
from bayeskeras.predictive import PredictiveDistribution


def test_the_extremes_come_first() -> None:
    least, most = script.ranked(np.array([0.3, 0.1, 0.9, 0.2]), 2)
    assert list(least) == [1, 3] and list(most) == [2, 0]


def test_reviews_by_entropy_and_by_disagreement() -> None:
    """Two networks: agreed and sure, agreed and unsure, both sure of the opposite."""
    positive = np.array([[0.99, 0.5, 0.98], [0.99, 0.5, 0.03]])
    logits = np.log(np.stack([1 - positive, positive], axis=-1))
    distribution = PredictiveDistribution(Categorical(), {"logits": logits})
    texts = np.array(["sure", "unsure", "disagreed"])
    rows = script.reviews(texts, np.array([1, 0, 1]), distribution, 1)
    assert [(row["which"], row["review"]) for row in rows] == [
        ("most certain", "sure"),
        ("least certain", "unsure"),
        ("largest mutual information", "disagreed"),
    ]
    assert rows[0]["label"] == "positive" and rows[1]["p(positive)"] == 0.5
    assert rows[0]["stddev"] < 1e-9 and rows[2]["stddev"] > 0.4
