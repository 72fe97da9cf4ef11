"""From settings to a serving worker: what every process shares, and the only room that knows concrete classes.

In: flags, environment variables, files. Out: settings, compiled guards, published policies, a running worker.
Never: a policy that a reader of the journal could not load again, a secret readable by anybody else.
"""
