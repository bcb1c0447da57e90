"""REST's resources of tasks: their events, files, results and input requests, and how to steer them."""
