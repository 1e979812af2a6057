"""Rooms behind `zoo.generate`.

`sampling` has the settings, `decoders` the networks read token by token, `loops` and `beam` the compiled
strategies with `choose`, `engine` feeds them with ids, and `texts` turns tokens into text as they come.
"""
