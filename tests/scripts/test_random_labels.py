"""The script on random labels: its networks, and what it says about them."""

import pytest
import random_labels as script


def row(method: str, network: str = "FC", data: str = "digits") -> script.Row:
    return script.Row(data, network, method, 1, 1e-3, (100.0, 10.0, None))


def test_sparse_networks_have_no_dropout() -> None:
    """The only regularisation of Sparse VD is its KL divergence; binary dropout is that of the table."""
    dense, sparse_dense = row("binary dropout").model(), row("Sparse VD").model()
    assert list(dense.rates().values()) == [0.2, 0.2] and not sparse_dense.rates()
    assert list(sparse_dense.sparsity()) == ["dense_1", "dense_2", "outputs"]
    vgg, sparse_vgg = (row(method, "VGG", "cifar10").model() for method in ("binary dropout", "Sparse VD"))
    assert {layer.name: layer.rate for layer in vgg.layers if "dropout" in layer.name} == {"dropout_1": 0.5}
    assert not any("dropout_" in layer.name for layer in sparse_vgg.layers)
    assert len(sparse_vgg.sparsity()) == 15  # 13 convolutions, two dense layers.


@pytest.mark.parametrize(
    ("result", "lines"),
    [
        ({"method": "binary dropout", "train_accuracy": 99.2, "sparsity": None}, ["met"]),
        ({"method": "Sparse VD", "train_accuracy": 11.2, "sparsity": 99.4}, ["met", "missed"]),
    ],
)
def test_goals(capsys: pytest.CaptureFixture[str], result: dict[str, object], lines: list[str]) -> None:
    script.print_goals({"data": "mnist", **result})
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == lines
