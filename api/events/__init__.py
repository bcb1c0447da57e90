"""Events of tasks: mapped from Temporal's history, and streamed to any number of watchers.

``history_mapper`` maps history to events, ``task_feed`` follows one task with one long poll, ``event_hub`` shares feeds
among watchers, and ``status_feed`` publishes status changes of all tasks. Only ``sse`` depends on HTTP.
"""
