"""What a trained model gives away of its training text: exposure of canaries, verbatim extraction."""
