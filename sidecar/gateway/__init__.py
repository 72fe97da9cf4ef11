"""The hot shell: bytes from a caller in, one decision, one record, bytes out.

    data_received → limits → guard(input) → UPSTREAM → guard(output) → journal → respond

Never: a thread, a task per request, a second send of anything, a status chosen outside `respond`.
"""
