"""Erasure among data: what may not come back, where it is, and its removal from all that is stored."""
