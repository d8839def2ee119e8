"""Prefect flows, thin, over the plain functions in `flows.stages`."""
