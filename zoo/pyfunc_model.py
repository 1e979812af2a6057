"""The model as MLflow serves it: text in, and text or, by an encoder, embeddings out.

MLflow runs this script when it loads the model ("models from code"), so nothing is pickled. The
weights are the keras-hub preset among the model's artifacts.
"""

from __future__ import annotations

import mlflow
from mlflow.pyfunc import PythonModel, PythonModelContext


class TextModel(PythonModel):  # type: ignore[misc]  # MLflow has no types
    """Continues, or embeds, each text of a one-column input."""

    def load_context(self, context: PythonModelContext) -> None:
        from pathlib import Path

        from zoo.load import open_folder

        self._model = open_folder(Path(context.artifacts["preset"]))

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # MLflow reads hints
        texts = [str(text) for text in model_input.iloc[:, 0]]
        from zoo.generation.sampling import from_served

        return self._model.predict(texts, **from_served(params or {}))


mlflow.models.set_model(TextModel())
