"""The demo: a real model, the sidecar in front of it, and a story told request by request.

In: a terminal, free ports, an empty folder. Out: what was sent, what came back, what was recorded and what the
observers made of it; 0 when all of it went as the story expects. Every server is a process of its own, as in
production; none outlives the demo.
Never: a shortcut into the gateway, a port of somebody else's, a file outside the data folder.
"""
