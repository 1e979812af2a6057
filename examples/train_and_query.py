"""Trains a model on the workspace's `tax_domain`, then lets it answer. Run it as it is: `python train_and_query.py`."""

import os

import zoo

steps = int(os.environ.get("STEPS", "40"))  # leave `steps` out for a full training
run = zoo.train("gpt", pipeline="tax_domain", size="nano", steps=steps)
print(run.model.name, run.model.version, f"{run.metrics['val_bits_per_byte']:.3f} bits per byte")

answer = zoo.query("What is a dependent?", domain="tax", caller="tax-service", max_tokens=20)
print(answer.text)
print(answer.decision.explain())
