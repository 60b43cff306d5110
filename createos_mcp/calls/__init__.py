"""The steps of one call, and the pipeline that knows their order."""
