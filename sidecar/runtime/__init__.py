"""Settings, wiring and processes: the only room that knows concrete classes.

    serve ─▶ supervisor ─┬─ sockets, data-folder lock, health port, policy loading and publishing, identity probe
                         ├─ control channel (JSON lines) ─▶ worker 0: gateway + its journal stream
                         └─ …                             ▶ worker N-1

In: flags, environment variables, files, signals. Out: running processes and one exit code.
Never: a request of the data port handled by the supervisor, a worker that outlives it, a bad policy put in force.
"""
