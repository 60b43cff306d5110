"""Health: what an app answers at the path that tells whether it works."""

import http.client
import socket

FIRST_ERROR = 400
_TIMEOUT_S = 5.0


def request_status(connection: socket.socket, path: str) -> int:
    """Request a path over a connection, which is closed then, and return the answer's status.

    Raises:
        OSError: There was no answer in time, or none in HTTP.
    """
    connection.settimeout(_TIMEOUT_S)
    client = http.client.HTTPConnection("localhost", timeout=_TIMEOUT_S)
    client.sock = connection
    try:
        client.request("GET", path, headers={"Connection": "close"})
        return client.getresponse().status
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    finally:
        client.close()
