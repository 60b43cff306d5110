"""Workflows as a person in front of a terminal starts them."""

from createos_mcp.contract.values import Arguments

DEPLOY = "Deploy"
"""What `createos-mcp deploy` calls."""

LONGEST_S = 900


def deploy_arguments(directory: str, project: str, environment: str | None) -> Arguments:
    """A folder's deployment, waited for as long as a build may take."""
    chosen = {} if environment is None else {"environment_id": environment}
    return {
        "project_id": project,
        "directory": directory,
        "timeoutSeconds": LONGEST_S,
        **chosen,
    }
