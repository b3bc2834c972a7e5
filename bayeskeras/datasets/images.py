"""Descriptions of the data sets of labelled images."""

from __future__ import annotations

from functools import partial

from bayeskeras.datasets.description import Column, DatasetInfo, Description, Files, Source
from bayeskeras.datasets.digits import load_digits_part
from bayeskeras.datasets.readers import read_cifar_archive, read_cifar_grids, read_idx
from bayeskeras.datasets.splits import classification_examples

_PARTS = {"train": "train", "train_without_validation": "train", "validation": "train", "test": "test"}
_SPLITS = tuple(_PARTS)
_GREY = {"image": Column((28, 28, 1), "uint8"), "label": Column((), "int64")}
_COLOUR = {"image": Column((32, 32, 3), "uint8"), "label": Column((), "int64")}
_IDX_FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
_CIFAR_BATCHES = {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)}
_CIFAR_ARCHIVE = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"


def _idx_source(name: str, address: str, optional: tuple[str, ...] = ()) -> Source:
    return Source(
        raw={
            part: Files(read_idx, tuple(f"{name}/{file}" for file in files))
            for part, files in _IDX_FILES.items()
        },
        download={
            part: Files(read_idx, tuple(f"{address}/{file}" for file in files))
            for part, files in _IDX_FILES.items()
        },
        optional=optional,
    )


DIGITS = Description(
    info=DatasetInfo(
        name="digits",
        task="classification",
        input_kind="image",
        description=(
            "Scans of handwritten digits, 8x8 grey pixels resized to 28x28; brought along by scikit-learn. "
            "The split is at random, so that the same writers are in both parts."
        ),
        input_shape=(28, 28, 1),
        num_classes=10,
        class_names=tuple("0123456789"),
        splits=_SPLITS,
        num_examples={"train": 1297, "test": 500},
        num_folds=0,
        citation=(
            "E. Alpaydin and C. Kaynak: Optical recognition of handwritten digits. UCI Machine Learning "
            "Repository, 1998. doi:10.24432/C50P49"
        ),
        licence="CC BY 4.0",
        homepage="https://archive.ics.uci.edu/dataset/80",
    ),
    parts=_PARTS,
    columns=_GREY,
    examples=classification_examples,
    source=load_digits_part,
    validation_examples=200,
)

MNIST = Description(
    info=DatasetInfo(
        name="mnist",
        task="classification",
        input_kind="image",
        description="Handwritten digits, 28x28 grey pixels.",
        input_shape=(28, 28, 1),
        num_classes=10,
        class_names=tuple("0123456789"),
        splits=_SPLITS,
        num_examples={"train": 60000, "test": 10000},
        num_folds=0,
        citation=(
            "Y. LeCun, L. Bottou, Y. Bengio and P. Haffner: Gradient-based learning applied to document "
            "recognition. Proceedings of the IEEE 86(11), 1998."
        ),
        licence="CC BY-SA 3.0, as its distributors state it",
        homepage="http://yann.lecun.com/exdb/mnist/",
    ),
    parts=_PARTS,
    columns=_GREY,
    examples=classification_examples,
    source=_idx_source("mnist", "https://storage.googleapis.com/cvdf-datasets/mnist"),
    validation_examples=5000,
    known_to_tfds=True,
)

FASHION_MNIST = Description(
    info=DatasetInfo(
        name="fashion_mnist",
        task="classification",
        input_kind="image",
        description="Photographs of clothes, 28x28 grey pixels.",
        input_shape=(28, 28, 1),
        num_classes=10,
        class_names=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        splits=_SPLITS,
        num_examples={"train": 60000, "test": 10000},
        num_folds=0,
        citation=(
            "H. Xiao, K. Rasul and R. Vollgraf: Fashion-MNIST: a novel image dataset for benchmarking "
            "machine learning algorithms. arXiv:1708.07747, 2017."
        ),
        licence="MIT",
        homepage="https://github.com/zalandoresearch/fashion-mnist",
    ),
    parts=_PARTS,
    columns=_GREY,
    examples=classification_examples,
    source=_idx_source("fashion_mnist", "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"),
    validation_examples=5000,
    known_to_tfds=True,
)

KMNIST = Description(
    info=DatasetInfo(
        name="kmnist",
        task="classification",
        input_kind="image",
        description=(
            "Kuzushiji-MNIST: cursive Japanese characters (hiragana), 28x28 grey pixels. Raw files may hold "
            "the test part alone, which is enough as unknown input for a model trained on MNIST."
        ),
        input_shape=(28, 28, 1),
        num_classes=10,
        class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        splits=_SPLITS,
        num_examples={"train": 60000, "test": 10000},
        num_folds=0,
        citation=(
            "T. Clanuwat, M. Bober-Irizar, A. Kitamoto, A. Lamb, K. Yamamoto and D. Ha: Deep learning for "
            "classical Japanese literature. arXiv:1812.01718, 2018."
        ),
        licence=(
            'CC BY-SA 4.0: "KMNIST Dataset" (created by CODH), adapted from "Kuzushiji Dataset" (created by '
            "NIJL "
            "and others), doi:10.20676/00000341"
        ),
        homepage="https://github.com/rois-codh/kmnist",
    ),
    parts=_PARTS,
    columns=_GREY,
    examples=classification_examples,
    source=_idx_source("kmnist", "http://codh.rois.ac.jp/kmnist/dataset/kmnist", optional=("train",)),
    validation_examples=5000,
    known_to_tfds=True,
)

CIFAR10 = Description(
    info=DatasetInfo(
        name="cifar10",
        task="classification",
        input_kind="image",
        description="Photographs of animals and vehicles, 32x32 colour pixels.",
        input_shape=(32, 32, 3),
        num_classes=10,
        class_names=(
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ),
        splits=_SPLITS,
        num_examples={"train": 50000, "test": 10000},
        num_folds=0,
        citation=(
            "A. Krizhevsky: Learning multiple layers of features from tiny images. Technical report, 2009."
        ),
        licence="none stated; free for research with citation",
        homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
    ),
    parts=_PARTS,
    columns=_COLOUR,
    examples=classification_examples,
    source=Source(
        raw={
            "train": Files(
                partial(read_cifar_grids, part="train"),
                (*(f"cifar10/train_{i}.webp" for i in range(1, 6)), "cifar10/labels.npz"),
            ),
            "test": Files(
                partial(read_cifar_grids, part="test"), ("cifar10/test.webp", "cifar10/labels.npz")
            ),
        },
        download={
            part: Files(partial(read_cifar_archive, members=members), (_CIFAR_ARCHIVE,))
            for part, members in _CIFAR_BATCHES.items()
        },
    ),
    validation_examples=5000,
    known_to_tfds=True,
)

DESCRIPTIONS = (DIGITS, MNIST, FASHION_MNIST, KMNIST, CIFAR10)
