"""Data sets for training and evaluating Bayesian networks, as NumPy arrays behind one `load`.

`load` returns the examples of a split, `unknown` those of classes that were kept out of training, `names`
lists what there is and `info` describes it. `digits` needs nothing but scikit-learn. All others go through
tensorflow-datasets: already prepared data first, then raw files in the folder named by the environment
variable `BAYESKERAS_RAW_DATA`, then a download.
"""

from bayeskeras.datasets.augmented import Augmented
from bayeskeras.datasets.description import DatasetInfo
from bayeskeras.datasets.loading import load, unknown
from bayeskeras.datasets.registry import info, names

__all__ = ["Augmented", "DatasetInfo", "info", "load", "names", "unknown"]
