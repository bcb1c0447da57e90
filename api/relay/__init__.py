"""The relay: what models say travels from the workers to the API processes, over gRPC.

``sender`` is the workers' end and ``server`` the API's; ``pieces`` is the wire, ``secret`` how they know each other.
The workers' end stands here, beside the other, because activities may not know the wire; ``worker.py`` wires it in.
"""
