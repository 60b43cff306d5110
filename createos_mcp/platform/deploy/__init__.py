"""From a deployment to what serves an environment."""
