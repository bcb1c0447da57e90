"""What happens to tasks, as it happens: events out of Temporal's history, for any number of watchers.

``mapping`` turns history into events, ``feed`` follows one task with one long poll, ``hub`` shares feeds among
watchers, and ``board`` tells status changes of all tasks. Nothing here but ``sse`` knows HTTP.
"""
