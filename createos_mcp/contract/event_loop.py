"""The event loop that serves: uvloop where it is installed, otherwise asyncio's own."""

from importlib.util import find_spec

LOOP_OPTIONS = {"use_uvloop": find_spec("uvloop") is not None}
"""What `anyio.run` is given as `backend_options`; the extra `fast` installs uvloop."""
