"""A guard, recorder and shadow in front of any model endpoint.

The gateway decides and appends one record to the journal; everything else reads the journal.
"""

__version__ = "0.1.0"
