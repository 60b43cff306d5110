"""Security scans: known vulnerabilities, leaked secrets and dangerous code, each told by place."""
