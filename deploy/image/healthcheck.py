"""Exit with 0 if this container's API or worker responds: ``python -I healthcheck.py [URL ...]``."""

from __future__ import annotations

import sys
import urllib.request

_URLS = ("http://127.0.0.1:8000/healthz", "http://127.0.0.1:9464/metrics")
"""Of an API and of a worker, at the ports of the image; one of them is enough."""
_TIMEOUT_S = 2.0


def main() -> int:
    """Return 0 if one of the URLs responds with a success, else 1 with the reasons on stderr."""
    reasons = []
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for url in sys.argv[1:] or _URLS:
        try:
            with opener.open(url, timeout=_TIMEOUT_S):
                return 0
        except OSError as error:  # URLError and HTTPError as well
            reasons.append(f"{url}: {error}")
    sys.stderr.write("\n".join(reasons) + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
