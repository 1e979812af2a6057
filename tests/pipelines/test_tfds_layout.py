"""What is written without TFDS is what TFDS would write."""

from __future__ import annotations

from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.tfds_layout import serialized_example, write_metadata

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@settings(max_examples=30, deadline=None)
@given(TEXT, TEXT)
@example("", "")
@example("a", "é" * 70_000)  # lengths of one byte and of three
def test_examples(record_id: str, text: str) -> None:
    import tensorflow as tf
    import tensorflow_datasets as tfds

    features = tfds.features.FeaturesDict({"id": tfds.features.Text(), "text": tfds.features.Text()})
    ours, theirs = serialized_example(record_id, text), features.serialize_example({"id": record_id, "text": text})
    # Theirs has the two features in another order from one process to the next.
    assert tf.train.Example.FromString(ours) == tf.train.Example.FromString(theirs) and len(ours) == len(theirs)


def test_metadata(tmp_path: Path) -> None:
    import tensorflow_datasets as tfds

    lengths = {"train": [3, 0], "test": [1]}
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
        for shard in ("train.array_record-00000-of-00002", "test.array_record-00000-of-00001"):
            (folder / f"letters-{shard}").touch()  # TFDS looks for them
    write_metadata(ours, "letters", "What é is.", lengths, {"train": 70, "test": 12})
    splits = [
        tfds.core.SplitInfo(
            name=split,
            shard_lengths=lengths[split],
            num_bytes=size,
            filename_template=tfds.core.ShardedFileTemplate(
                dataset_name="letters", data_dir=str(theirs), split=split, filetype_suffix="array_record"
            ),
        )
        for split, size in (("train", 70), ("test", 12))
    ]
    tfds.folder_dataset.write_metadata(
        data_dir=str(theirs),
        features=tfds.features.FeaturesDict({"id": tfds.features.Text(), "text": tfds.features.Text()}),
        split_infos=splits,
        version="1.0.0",
        check_data=False,
        description="What é is.",
    )
    for name in ("dataset_info.json", "features.json"):
        assert (ours / name).read_text() == (theirs / name).read_text()
