# createos-mcp for a team: `docker build -t createos-mcp .`, see docs/remote.md.

FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.txt ./
RUN python3 -m venv /opt/createos-mcp \
    && /opt/createos-mcp/bin/python -m pip install --no-cache-dir --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY createos_mcp ./createos_mcp
COPY tool_schemas ./tool_schemas
COPY starters ./starters
RUN /opt/createos-mcp/bin/python -m pip install --no-cache-dir --no-deps .

FROM python:3.13-slim
LABEL org.opencontainers.image.title="createos-mcp" \
      org.opencontainers.image.description="MCP server for CreateOS, for many callers over HTTP" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/createos-mcp /opt/createos-mcp
ENV PATH=/opt/createos-mcp/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    CREATEOS_SERVE_HOST=0.0.0.0 \
    CREATEOS_SERVE_PORT=8080
# It writes no file: run it with --read-only.
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python3", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"CREATEOS_SERVE_PORT\"]}/healthz', timeout=2)"]
ENTRYPOINT ["createos-mcp"]
CMD ["serve"]
