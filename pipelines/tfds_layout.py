"""A folder as TFDS reads it: examples of an id and a text, and two JSON files that describe them.

Written by hand, since TensorFlow takes seconds to import and some hundred MB, and a build needs nothing else of it. (It
also has the features of an example in an order that changes from process to process.) The tests compare both with what
TFDS writes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

#: Class of a feature's values in TFDS, by which it finds the code that reads them.
_TEXT = {"pythonClassName": "tensorflow_datasets.core.features.text_feature.Text", "text": {}}
_FEATURES = {
    "featuresDict": {"features": {"id": _TEXT, "text": _TEXT}},
    "pythonClassName": "tensorflow_datasets.core.features.features_dict.FeaturesDict",
}
_FILE_NAMES = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"


def serialized_example(record_id: str, text: str) -> bytes:
    """A `tf.train.Example` with the features "id" and "text" in the wire format of protocol buffers
    (https://protobuf.dev/programming-guides/encoding): messages inside of each other, each a field with its length."""
    features = (_entry(b"id", record_id.encode()), _entry(b"text", text.encode()))
    return _field(1, b"".join(features))  # Example.features


def _entry(name: bytes, content: bytes) -> bytes:
    """Features.feature[name] = Feature(bytes_list=BytesList(value=[content]))"""
    return _field(1, _field(1, name) + _field(2, _field(1, _field(1, content))))


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest ones first; the highest bit says that more follow."""
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    return bytes([*written, value])


def write_metadata(
    folder: Path,
    name: str,
    description: str,
    shard_lengths: Mapping[str, list[int]],
    stored_bytes: Mapping[str, int],
) -> None:
    """Writes `dataset_info.json` and `features.json`.

    Args:
        shard_lengths: records in each shard of each split.
        stored_bytes: of the serialized examples of each split.
    """
    splits = [
        {
            "filepathTemplate": _FILE_NAMES,
            "name": split,
            "numBytes": str(stored_bytes[split]),
            "shardLengths": list(map(str, lengths)),
        }
        for split, lengths in shard_lengths.items()
    ]
    info = {"description": description, "fileFormat": "array_record", "name": name, "splits": splits}
    info["version"] = "1.0.0"
    (folder / "dataset_info.json").write_text(json.dumps(info, indent=2), encoding="utf-8")
    (folder / "features.json").write_text(json.dumps(_FEATURES, indent=4), encoding="utf-8")
