"""The estimators: one module a task, each with fit and predict."""
