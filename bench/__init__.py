"""How fast is the gateway, beside what else could stand in its place: one machine, one command, figures with noise.

    core 0: load generator + static upstream          core 1: the proxy under test, alone

In: nothing but this tree and the tools `wrk` and `nginx`. Out: a table (and JSON) of medians and of ratios to Envoy
*within a round*, each with its spread, beside A/A rows (the same system twice) that show what noise alone does.
Never: a figure without its spread, an error that is not counted, a process left behind, a system measured before its
answers were checked.
"""
