"""Token streams from workers to API processes: published by model activities, sent over the gRPC relay."""
