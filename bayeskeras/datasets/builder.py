"""The one builder of tensorflow-datasets that prepares every data set of the registry.

For a data set that tensorflow-datasets knows (`mnist`), the builder inherits the official one: its name,
version, features, checksums and keys of the examples. What it prepares is therefore the official data set, in
the official order, and `tfds.load("mnist")` finds it too. Only the reading of files is ours: raw files or
downloads, with NumPy and Pillow, so that TensorFlow need not be installed.

Other data sets are configurations of a registered builder of ours: `uci/boston` is the configuration `boston`
of the builder `uci`.
"""

from __future__ import annotations

import functools
import io
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bayeskeras.datasets import registry
from bayeskeras.datasets.description import Columns, Description, Source
from bayeskeras.datasets.extra import tensorflow_datasets


def _to_png(image: np.ndarray) -> io.BytesIO:
    """Encodes a uint8 image (height, width, 1 or 3), as tensorflow-datasets can do only with TensorFlow."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, format="png")
    buffer.seek(0)
    return buffer


def _check(description: Description, part: str, columns: Columns, files: list[Path]) -> None:
    """Compares what was read with what the registry says of the data set."""
    size = description.part_sizes[part]
    for name, column in description.columns.items():
        expected, received = (size, *column.shape), columns[name].shape
        if received != expected:
            raise ValueError(
                f"expected {name!r} of shape {expected} in part {part!r} of data set "
                f"{description.info.name!r}, received: shape={received} in {[str(file) for file in files]}"
            )


class RawFilesMixin:
    """The methods of a builder that generate the examples.

    Attributes:
        raw_folder: the folder of raw files; `None` to download.
    """

    raw_folder: Path | None = None
    name: str
    info: Any
    builder_config: Any

    @property
    def registered_name(self) -> str:
        """The name in the registry of bayeskeras: `mnist` or `uci/boston`."""
        return f"{self.name}/{self.builder_config.name}" if self.builder_config else self.name

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        """Reads all files before the first example is written, so that a damaged file costs no time."""
        description = registry.describe(self.registered_name)
        columns = {}
        for part, files in self._files(description, dl_manager).items():
            source = description.source
            assert isinstance(source, Source)
            reader = (source.raw if self.raw_folder else source.download)[part].reader
            columns[part] = reader(files)
            _check(description, part, columns[part], files)
        label = self.info.features["label"] if "label" in description.columns else None
        if label is not None and tuple(label.names) != description.info.class_names:
            label.names = list(description.info.class_names)
        return {part: self._generate_examples(part, table) for part, table in columns.items()}

    def _files(self, description: Description, dl_manager: Any) -> Mapping[str, list[Path]]:
        source = description.source
        assert isinstance(source, Source)
        if self.raw_folder:
            folder = self.raw_folder
            return {
                part: [folder / path for path in source.raw[part].paths]
                for part in raw_parts(description, folder)
            }
        downloads = dl_manager.download({part: list(files.paths) for part, files in source.download.items()})
        return {part: [Path(path) for path in paths] for part, paths in downloads.items()}

    def _generate_examples(self, part: str, columns: Columns) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yields the examples; their key is the position, as in the official builders: it fixes the order."""
        has_id = "id" in self.info.features
        for index in range(len(next(iter(columns.values())))):
            example: dict[str, Any] = {name: column[index] for name, column in columns.items()}
            if "image" in example:
                example["image"] = _to_png(example["image"])
            if has_id:
                example["id"] = f"{part}_{index:05d}"
            yield index, example


def raw_parts(description: Description, folder: Path) -> list[str]:
    """Lists the parts of a data set whose raw files are all in the folder.

    Args:
        description: entry of the registry.
        folder: the folder of raw files.

    Returns:
        Names of parts.
    """
    assert isinstance(description.source, Source)
    return [
        part
        for part, files in description.source.raw.items()
        if all((folder / path).is_file() for path in files.paths)
    ]


def _features(description: Description) -> Any:
    """Returns the `tfds.features.FeaturesDict` of a data set that tensorflow-datasets does not know."""
    features = tensorflow_datasets().features
    result = {}
    for name, column in description.columns.items():
        if name == "label":
            result[name] = features.ClassLabel(names=list(description.info.class_names))
        elif name == "image":
            result[name] = features.Image(shape=column.shape)
        elif column.dtype == "str":
            result[name] = features.Text()
        else:
            result[name] = features.Tensor(shape=column.shape, dtype=np.dtype(column.dtype).type)
    return features.FeaturesDict(result)


def _own_info(builder: Any) -> Any:
    """Returns the `tfds.core.DatasetInfo` of a data set that tensorflow-datasets does not know."""
    description = registry.describe(builder.registered_name)
    return tensorflow_datasets().core.DatasetInfo(
        builder=builder,
        description=description.info.description,
        features=_features(description),
        homepage=description.info.homepage,
        citation=description.info.citation,
        license=description.info.licence,
    )


@functools.cache
def _own_builder_class(group: str) -> Any:
    """Makes and registers the builder of a group of data sets that tensorflow-datasets does not know.

    A group is `uci` of `uci/boston` and others, which are its configurations, or one data set without any.
    """
    tfds = tensorflow_datasets()
    sources = {
        name.removeprefix(group).removeprefix("/"): description.source
        for name, description in registry.DESCRIPTIONS.items()
        if name.partition("/")[0] == group and isinstance(description.source, Source)
    }
    body: dict[str, Any] = {"name": group, "_info": _own_info, "__doc__": f"Data sets {group}."}
    if "" in sources:
        body["VERSION"] = tfds.core.Version(sources[""].version)
    else:
        body["BUILDER_CONFIGS"] = [
            tfds.core.BuilderConfig(name=name, version=source.version) for name, source in sources.items()
        ]
    class_name = "".join(word.capitalize() for word in group.split("_"))
    return _make_class(class_name, (RawFilesMixin, tfds.core.GeneratorBasedBuilder), body)


def make_builder(description: Description, data_dir: str | None) -> Any:
    """Makes the builder of a data set.

    Args:
        description: entry of the registry.
        data_dir: data directory of tensorflow-datasets, `None` for its default.

    Returns:
        A `tfds.core.GeneratorBasedBuilder`.

    Raises:
        ImportError: tensorflow-datasets is not installed.
    """
    tfds = tensorflow_datasets()
    name = description.info.name
    if not description.known_to_tfds:
        group, _, config = name.partition("/")
        return _own_builder_class(group)(config=config or None, data_dir=data_dir)
    official = tfds.builder_cls(name)
    body = {"name": name, "url_infos": official.url_infos}
    # The official class keeps the name in the register of tensorflow-datasets.
    builder_class = _make_class(
        f"Raw{official.__name__}", (RawFilesMixin, official), body, skip_registration=True
    )
    return builder_class(data_dir=data_dir)


def _make_class(name: str, bases: tuple[Any, ...], body: dict[str, Any], **keywords: Any) -> Any:
    """Makes a class in this module, as a class statement would."""
    return types.new_class(
        name, bases, keywords, lambda namespace: namespace.update(body, __module__=__name__)
    )
