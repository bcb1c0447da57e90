"""gRPC: ``opspawn.v1.TaskService``, health and reflection, over ``api.tasks`` as REST is.

``request_messages`` and ``response_messages`` map messages to ``api.tasks`` and back, ``status_mapping`` maps errors.
"""
