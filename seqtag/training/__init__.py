"""Fitting a built network: schedules, averaging, early stopping, the fit itself."""
