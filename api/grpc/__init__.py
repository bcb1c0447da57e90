"""The gRPC front end: ``opspawn.v1.TaskService``, health and reflection, over what REST stands on.

``tasks`` answers the calls, ``requests`` and ``answers`` translate messages, and ``status`` translates errors.
"""
