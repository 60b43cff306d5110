"""Security scans of deployments: begun, repeated, read, and their documents linked."""

from createos_mcp.contract.values import Json
from createos_mcp.platform.api.api_request import ApiRequest, Handlers
from createos_mcp.platform.errors import InvalidRequestError, NotFoundError
from createos_mcp.platform.models import Deployment
from createos_mcp.platform.scans.findings import RAN
from createos_mcp.platform.states import ScanStatus
from createos_mcp.platform.store.scans import Scan

SCAN_LINK = "scan:"
"""What a signed link to the documents of a scan is for, before the deployment's ID."""

_ENDED_STATES = "It is `pending`, then `in_progress`; GetSecurityScan shows the report."


async def trigger_scan(request: ApiRequest) -> Json:
    """Begin a scan, whatever became of the last one."""
    deployment = await _scannable(request)
    await request.services.scanner.begin(deployment)
    return f"The scan has begun. {_ENDED_STATES}"


async def repeat_scan(request: ApiRequest) -> Json:
    """Begin a scan again that failed."""
    deployment = await _scannable(request)
    await request.services.scanner.begin(deployment, only_after=ScanStatus.FAILED)
    return f"The scan has begun again. {_ENDED_STATES}"


async def get_scan(request: ApiRequest) -> Json:
    """The scan of a deployment, with its report once it has ended."""
    return _serialize(await _find(request))


async def link_scan(request: ApiRequest) -> Json:
    """A signed link to the documents of a scan that has succeeded."""
    scan = await _find(request)
    if scan.status is not ScanStatus.SUCCESS:
        raise NotFoundError("report of a scan that succeeded", scan.deployment_id)
    base_url = f"http://127.0.0.1:{request.services.config.api_port}"
    return {
        "downloadUri": request.services.downloads.link(base_url, f"{SCAN_LINK}{scan.deployment_id}")
    }


async def _scannable(request: ApiRequest) -> Deployment:
    deployment = await request.deployment()
    if not (await request.project()).enabled_security_scan:
        raise InvalidRequestError(
            "Scans are off for this project. UpdateProject with enabledSecurityScan true "
            "switches them on."
        )
    return deployment


async def _find(request: ApiRequest) -> Scan:
    deployment = await request.deployment()
    scan = await request.services.store.scans.get(deployment.id)
    if scan is None:
        raise NotFoundError("scan of the deployment", deployment.id)
    return scan


def _tools(scan: Scan) -> list[str]:
    """Those that have looked."""
    checks = (scan.report or {}).get("checks", ())
    return [check["tool"] for check in checks if check["status"] == RAN and check.get("tool")]


def _serialize(scan: Scan) -> dict[str, Json]:
    return {
        "id": scan.id,
        "deploymentId": scan.deployment_id,
        "type": "vulnerability",
        "tool": ", ".join(_tools(scan)),
        "status": scan.status,
        "parsedReport": scan.report,
        "failedReason": scan.failed_reason,
        "executor": "local",
        "expiresAt": scan.expires_at,
        "createdAt": scan.created_at,
        "updatedAt": scan.updated_at,
        "deletedAt": None,
    }


HANDLERS: Handlers = {
    "TriggerSecurityScan": trigger_scan,
    "RetriggerSecurityScan": repeat_scan,
    "GetSecurityScan": get_scan,
    "GetSecurityScanDownloadUri": link_scan,
}
