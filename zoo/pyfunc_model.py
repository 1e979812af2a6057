"""The model as MLflow serves it: text in, and text or, by an encoder, embeddings out.

MLflow runs this script when it loads the model ("models from code"), so nothing is pickled. The
weights are the keras-hub preset among the model's artifacts.
"""

from __future__ import annotations

import mlflow
from mlflow.pyfunc import PythonModel, PythonModelContext

from governance.errors import ConfigError

#: Environment variable: sizes of batches, such as "1,8", for which everything is compiled before the first request.
WARM_UP = "ZOO_WARM_UP"


def batch_sizes(text: str) -> list[int]:
    """The numbers of a list such as "1,8".

    Raises:
        ConfigError: it is no such list, or a number is below 1.
    """
    numbers = text.split(",")
    if not all(number.strip().isdecimal() and int(number) for number in numbers):
        raise ConfigError(f'"{text}" is no list of batch sizes', where=WARM_UP, fix="write them as in 1,8")
    return [int(number) for number in numbers]


class TextModel(PythonModel):  # type: ignore[misc]  # MLflow has no types
    """Continues, or embeds, each text of a one-column input."""

    def load_context(self, context: PythonModelContext) -> None:
        import os
        from pathlib import Path

        from zoo.load import open_folder

        self._model = open_folder(Path(context.artifacts["preset"]))
        if sizes := os.environ.get(WARM_UP):
            self._model.text_model.warm_up(batch_sizes=batch_sizes(sizes))

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # MLflow reads hints
        texts = [str(text) for text in model_input.iloc[:, 0]]
        from zoo.generation.sampling import from_served

        return self._model.predict(texts, **from_served(params or {}))


mlflow.models.set_model(TextModel())
