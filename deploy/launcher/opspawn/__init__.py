"""The package of Opspawn that an installation adds besides ``agentkit``.

In the wheel, ``workflows``, ``activities``, ``api``, ``cli`` and ``worker.py`` lie below it: at the top of
``site-packages``, a project's own ``api`` or ``worker.py`` would replace them, or be replaced by them.
``opspawn.__main__`` makes them importable by their names, in Opspawn's own processes alone.
"""

from __future__ import annotations
