"""Every metric, span and event name in one place."""
