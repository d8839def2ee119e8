"""What the flows run: plain functions over a House, the same with and without Prefect."""
