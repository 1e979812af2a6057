"""Rooms behind `zoo.generate`: settings, networks read token by token, and one file for each strategy.

    from zoo.generation.sampling import Sampling, uniform
    from zoo.generation.choose import choose
"""
