"""Append-only streams on local disk, one writer each; readers with cursors.

In: encoded records and payload bytes. Out: checked frames, in order, each once. Never: a network, a policy, an
exception into a request; a write to a file this process did not create.
"""
