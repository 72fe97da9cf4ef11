"""The supervisor: one small process that owns the sockets and everything that lives longer than a worker.

    serve ─▶ supervisor ─┬─ sockets, data-folder lock, health port, policy loading and publishing, identity probe
                         ├─ control channel (JSON lines) ─▶ worker 0: gateway + its journal stream
                         ├─ …                             ▶ worker N-1
                         └─ the observers' process

In: settings, signals, files that change. Out: running processes and one exit code.
Never: a request of the data port, a worker that outlives it, a bad policy put in force.
"""
