"""Settings, wiring and processes: the only room that knows concrete classes."""
