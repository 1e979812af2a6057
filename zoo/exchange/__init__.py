"""Where weights come from and where they go: Hugging Face folders, keras-hub presets, SavedModels."""
