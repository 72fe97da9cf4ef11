"""The observers' process: reads the journal for all observers, answers the admin port, and can fail without a caller's
notice.

In: the journal, the settings that the gateway published. Out: what observers write; the admin port's sources.
Never: a request of the data port delayed by it, a record counted twice, an observer that stops the others.
"""
